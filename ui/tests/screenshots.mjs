// Writes a picture of each screen, state, theme and language: `node tests/screenshots.mjs FOLDER [VIEW…]`, each as
// VIEW.THEME.LANGUAGE.png.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as pseudo from "./pseudo.mjs";
import { LANGUAGES, NAMES, VIEWS, stage } from "./stage.mjs";

const THEMES = {
  light: {},
  dark: { colorScheme: "dark" },
  "forced-colours": { forcedColors: "active", colorScheme: "dark" },
  contrast: { contrast: "more" },
  tablet: { viewport: { width: 800, height: 1280 }, hasTouch: true, isMobile: true },
  narrow: { viewport: { width: 320, height: 568 } },
  zoomed: { viewport: { width: 260, height: 360 }, deviceScaleFactor: 2 },
};
/** Seen in every theme and language; the others in light and dark English. */
const EVERYWHERE = [
  "status-healthy",
  "status-blocked",
  "status-offline",
  "lost-not-running",
  "prompt-insert",
  "prompt-touch",
  "prompt-pin-last-attempt",
  "prompt-pin-new",
  "prompt-long",
  "ended-unhealthy",
  "ended-wrong-key",
  "register-idle",
  "register-running-touch",
  "keys-list",
  "about",
];

const [folder, ...only] = process.argv.slice(2);
if (!folder || only.some((it) => !(it in VIEWS))) {
  console.error("used as: node tests/screenshots.mjs FOLDER [VIEW…]");
  process.exit(2);
}
await mkdir(folder, { recursive: true });

const wanted = [];
for (const [theme, system] of Object.entries(THEMES)) {
  const all = theme === "light" || theme === "dark";
  wanted.push({ theme, system, language: "en", views: all ? NAMES : EVERYWHERE });
}
for (const language of [...LANGUAGES.slice(1), pseudo.LANGUAGE]) {
  wanted.push({ theme: "light", system: THEMES.light, language, views: EVERYWHERE });
}

/** What sticks to the window's edge is to be at the page's, in a picture of all of it. */
function unstick() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("footer, nav { position: static !important }");
  document.adoptedStyleSheets = [sheet];
}

const theatre = await stage();
let pictures = 0;
for (const { theme, system, language, views } of wanted) {
  const window = await theatre.open({ language, reducedMotion: "reduce", ...system });
  for (const view of views.filter((it) => only.length === 0 || only.includes(it))) {
    await window.show(view);
    const path = join(folder, `${view}.${theme}.${language}.png`);
    await window.page.evaluate(unstick);
    await window.page.screenshot({ path, fullPage: true, animations: "disabled" });
    pictures += 1;
  }
  if (window.wrong.length > 0) throw new Error(`${theme}, ${language}: ${window.wrong.join("\n")}`);
  await window.close();
}
await theatre.end();
console.log(`${pictures} pictures in ${folder}`);
