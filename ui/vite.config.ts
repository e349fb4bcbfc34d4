import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  // WebKitGTK 2.40 and the web views of its time. No inline anything: the policy refuses it.
  build: { target: "safari16.4", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
