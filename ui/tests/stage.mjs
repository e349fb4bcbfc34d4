// The built pages on a stage: served on loopback under the app's own policy, in Chromium, with the app's side of the
// conversation played. What is shown is the gallery's: views that the real model made.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import * as pseudo from "./pseudo.mjs";

const HERE = (path) => fileURLToPath(new URL(path, import.meta.url));
const DIST = HERE("../dist/");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const QUIET = ["no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"];

if (!process.env.GALLERY) throw new Error("GALLERY names the file that the example `gallery` of vitalsign-app wrote");
const gallery = JSON.parse(await readFile(process.env.GALLERY, "utf8"));

/** When the gallery was made, in seconds since 1970. */
export const NOW = gallery.now;
/** Each screen in each state, by name. */
export const VIEWS = gallery.views;
export const NAMES = Object.keys(VIEWS);
/** The app's version, as the pages are told. */
export const VERSION = "9.8.7";

const english = await readFile(HERE("../locales/en.ftl"), "utf8");
/** The languages that are shipped. */
export const LANGUAGES = ["en", "es", "fr", "de"];
const messages = { en: english, [pseudo.LANGUAGE]: pseudo.pseudo(english) };
messages["en-US"] = english + (await readFile(HERE("../locales/en-US.ftl"), "utf8"));
for (const language of LANGUAGES) messages[language] ??= await readFile(HERE(`../locales/${language}.ftl`), "utf8");

/** A logo as the app sends it: a white cross on blue, 40 x 20 pixels. */
const LOGO = [0, 40];
for (let at = 0; at < 40 * 20; at += 1) {
  const [x, y] = [at % 40, Math.floor(at / 40)];
  const cross = (x > 17 && x < 22 && y > 3 && y < 16) || (y > 7 && y < 12 && x > 13 && x < 26);
  LOGO.push(...(cross ? [255, 255, 255, 255] : [0, 94, 184, 255]));
}

/** The window as it opens. */
export const WINDOW = { width: 520, height: 720 };

/** Serves the pages as the app does, and starts the browser. */
export async function stage() {
  const policy = JSON.parse(await readFile(HERE("../../src-tauri/tauri.conf.json"), "utf8")).app.security.csp;
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://stage");
    // A browser asks for it by itself.
    if (pathname === "/favicon.ico") return response.writeHead(204).end();
    const file = normalize(join(DIST, pathname === "/" ? "index.html" : pathname));
    try {
      const body = file.startsWith(DIST) ? await readFile(file) : null;
      response.setHeader("content-security-policy", policy);
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["no-sandbox", "disable-gpu", "disable-quic", ...QUIET].map((it) => `--${it}`),
  });
  const origin = `http://127.0.0.1:${server.address().port}/`;
  const end = async () => {
    await browser.close();
    server.close();
  };
  return { open: (options) => open(browser, origin, options), end };
}

/**
 * A window of a language, on a system that is set so (Playwright's options of a context): `show` loads the pages with a
 * view, `change` changes it as the app does. What the pages ask of the app stands in `told`, what went wrong in `wrong`.
 */
async function open(browser, origin, { language = "en", sendable = true, results = [], ...system } = {}) {
  const context = await browser.newContext({ viewport: WINDOW, locale: language, timezoneId: "UTC", ...system });
  const page = await context.newPage();
  const [told, wrong] = [[], []];
  let view;
  page.on("pageerror", (error) => wrong.push(`${error}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(message.text());
  });
  page.on("dialog", (dialog) => wrong.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) wrong.push(`${request.url()} is asked for`);
  });
  await page.clock.setFixedTime(NOW * 1000);
  await page.exposeFunction("theApp", (command, given) => {
    if (command === "texts") return { language, messages: messages[language], version: VERSION };
    if (command === "view") return view;
    if (command === "logo") return LOGO;
    told.push({ command, given });
    if (command === "diagnostics") return { text: `vitalsign-app ${VERSION}\n[]\n`, sendable };
    return command === "send_diagnostics" ? results.shift() : null;
  });
  await page.addInitScript(() => {
    const callbacks = new Map();
    const listeners = new Map();
    const invoke = async (command, given) => {
      if (command === "plugin:event|listen") return void listeners.set(given.event, callbacks.get(given.handler));
      return window.theApp(command, given instanceof Uint8Array ? [...given] : (given ?? null));
    };
    const transformCallback = (callback) => {
      callbacks.set(callbacks.size + 1, callback);
      return callbacks.size;
    };
    const unregisterCallback = (id) => callbacks.delete(id);
    window.__TAURI_INTERNALS__ = { invoke, transformCallback, unregisterCallback };
    window.tell = (event, payload) => listeners.get(event)({ event, id: 1, payload });
  });
  await page.addInitScript(() => {
    // A loudspeaker that is always there: the browser's own needs a device, and a gesture of the person.
    window.heard = [];
    window.loudspeakers = 0;
    const gain = { setValueAtTime() {}, linearRampToValueAtTime() {} };
    const node = () => ({ gain, frequency: {}, connect: (to) => to, disconnect() {} });
    window.AudioContext = class {
      currentTime = 0;
      constructor() {
        window.loudspeakers += 1;
      }
      resume = async () => {};
      suspend = async () => {};
      createGain = node;
      createOscillator() {
        const note = node();
        return Object.assign(note, { start: () => window.heard.push(note.frequency.value), stop() {} });
      }
    };
  });
  const named = (it) => (typeof it === "string" ? VIEWS[it] : it);
  return {
    page,
    told,
    wrong,
    async show(it) {
      view = named(it);
      told.length = 0;
      await page.goto(origin);
      await page.locator("main[data-page]").waitFor();
    },
    async change(it) {
      view = named(it);
      if (page.url() !== origin) return this.show(it);
      // It is drawn at once, and what follows from it a frame later.
      await page.evaluate(async (view) => {
        window.tell("view", view);
        await new Promise(requestAnimationFrame);
      }, view);
    },
    /** What the person has done so far; the page says by itself that it is drawn or read, and asks for the list of keys. */
    actions: () =>
      told.flatMap(({ command, given }) => (command === "act" && !["drawn", "list-keys", "read"].includes(given.action.do) ? given.action : [])),
    close: () => context.close(),
  };
}
