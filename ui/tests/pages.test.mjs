// Every view in every theme, size and language: readable, reachable, and nothing leaves its place.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { keyboard, layout, rules, texts } from "./look.mjs";
import * as pseudo from "./pseudo.mjs";
import { LANGUAGES, NAMES, VIEWS, WINDOW, stage } from "./stage.mjs";

const HALF = { width: WINDOW.width / 2, height: WINDOW.height / 2 };
/** How a system may be set. */
const SYSTEMS = {
  light: {},
  dark: { colorScheme: "dark" },
  "forced colours": { forcedColors: "active" },
  "forced colours, dark": { forcedColors: "active", colorScheme: "dark" },
  "more contrast": { contrast: "more" },
  "more contrast, dark": { contrast: "more", colorScheme: "dark" },
  tablet: { viewport: { width: 800, height: 1280 }, hasTouch: true, isMobile: true },
  "320 pixels": { viewport: { width: 320, height: 568 } },
  "zoom of 200 %": { viewport: HALF, deviceScaleFactor: 2 },
  "full screen": { viewport: { width: 1920, height: 1080 } },
};
for (const language of [...LANGUAGES.slice(1), pseudo.LANGUAGE]) {
  SYSTEMS[language] = { language };
  SYSTEMS[`${language}, zoom of 200 %`] = { language, ...SYSTEMS["zoom of 200 %"] };
}
/** Where each view is checked by every rule; elsewhere one of each kind is, and the layout of all. */
const WHOLE = ["light", "dark"];
const KINDS = [
  "status-blocked",
  "status-managed",
  "status-unknown",
  "status-offline",
  "lost-seen-before",
  "prompt-insert",
  "prompt-pin-wrong",
  "prompt-pin-new",
  "prompt-details",
  "prompt-waiting",
  "prompt-covers",
  "ended-unhealthy",
  "ended-no-key",
  "register-running-touch",
  "register-running-pin",
  "register-done",
  "register-failed-code",
  "keys-list",
  "about",
];

let theatre;
before(async () => (theatre = await stage()));
after(() => theatre.end());

test("the kinds of views are views", () => assert.deepEqual(KINDS.filter((it) => !(it in VIEWS)), []));

// Two at a time: a browser draws on two processors as well.
describe("every view", { concurrency: 2 }, () => {
  for (const [system, options] of Object.entries(SYSTEMS)) test(system, () => look(system, options));
});

async function look(system, options) {
  const window = await theatre.open(options);
  const { page } = window;
  const wrong = [];
  for (const view of NAMES) {
    // From nothing, or as the app changes it: both have to do.
    await (system === "light" && KINDS.includes(view) ? window.show(view) : window.change(view));
    const found = await layout(page);
    if (await unfold(page)) found.push(...(await layout(page)));
    // A longer text changes nothing more than where it fits.
    const ruled = WHOLE.includes(system) || (KINDS.includes(view) && !(options.language && options.viewport));
    if (ruled) found.push(...(await rules(page)));
    // A mark covers everything for less than half a second.
    if (ruled && VIEWS[view].flash === null) found.push(...(await keyboard(page)));
    found.push(...window.wrong.splice(0));
    wrong.push(...new Set(found.map((it) => `${view}: ${it}`)));
  }
  await window.close();
  assert.deepEqual(wrong, []);
}

test("every text is one of the language's", async () => {
  const window = await theatre.open({ language: pseudo.LANGUAGE });
  const wrong = [];
  for (const view of NAMES) {
    await window.change(view);
    // The first view takes the place of the document's own title after it is drawn.
    await window.page.waitForFunction(() => document.title !== "Vitalsign");
    await unfold(window.page);
    const outside = said(VIEWS[view]).join("\n");
    for (const text of await texts(window.page)) {
      // A name that has no text reads as it is spelled, with spaces.
      const pieces = text.split(/, |\u2068|\u2069/).map((it) => it.trim());
      const from = (it) => outside.includes(it) || outside.replaceAll(/[_-]/g, " ").includes(it);
      // What the browser itself can say in each language: 5 minutes.
      const counted = /^[\d.,]+ (second|minute)s?$/.test(text);
      if (/\p{L}/u.test(text) && !counted && !accented(text) && !pieces.every(from)) wrong.push(`${view}: ${text}`);
    }
  }
  await window.close();
  assert.deepEqual([...new Set(wrong)], []);
});

test("text may be set wider apart (WCAG 1.4.12)", async () => {
  const window = await theatre.open();
  const wrong = [];
  for (const view of KINDS) {
    await window.change(view);
    await window.page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }");
      document.adoptedStyleSheets = [sheet];
    });
    wrong.push(...(await layout(window.page)).map((it) => `${view}: ${it}`));
  }
  await window.close();
  assert.deepEqual(wrong, []);
});

test("nothing moves for those who want it still", async () => {
  const moving = { reduce: [], "no-preference": [] };
  for (const reducedMotion of Object.keys(moving)) {
    const window = await theatre.open({ reducedMotion });
    for (const view of NAMES) {
      await window.change(view);
      const running = await window.page.evaluate(() => document.getAnimations().filter((it) => it.playState === "running").length);
      if (running > 0) moving[reducedMotion].push(view);
    }
    await window.close();
  }
  assert.deepEqual(moving.reduce, []);
  // Else this would be seen of a page that never moves.
  assert.ok(moving["no-preference"].includes("prompt-touch"));
});

/** Opens whatever folds open, if anything does. */
function unfold(page) {
  return page.evaluate(() => {
    const folded = document.querySelectorAll("details:not([open])");
    for (const it of folded) it.open = true;
    return folded.length > 0;
  });
}

/** All that a view says. */
function said(value) {
  if (typeof value === "string") return [value];
  return Object.values(value ?? {}).flatMap(said);
}

/** From the language files: no letter is left as it is in English. */
function accented(text) {
  return text.includes(pseudo.OPENS) || text.includes(pseudo.CLOSES) || /\p{L}/u.test(text.replaceAll(/[a-z]/gi, ""));
}
