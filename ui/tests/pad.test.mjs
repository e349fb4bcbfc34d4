// What is pressed is in the window: the number pad, large enough for a glove, and what answers a prompt, in each language,
// with long names and large text.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { layout } from "./look.mjs";
import { LANGUAGES, VIEWS, WINDOW, stage } from "./stage.mjs";

/** 12 mm at 96 pixels to the inch. */
const TARGET = (12 / 25.4) * 96;
const LONG = { application: "Electronic Health Record of the Northern Regional Hospital", user: "registered-nurse.alexandra.montgomery-featherstonehaugh" };
/** As it opens, on a screen of 10 inches with 1920 × 1080 pixels, and at its smallest. */
const WINDOWS = { opened: WINDOW, enlarged: { width: 398, height: 480 }, smallest: { width: 320, height: 480 } };

/** Too low or too narrow for all of it. */
const SCROLLED = { narrow: { width: 320, height: 568 }, enlarged: { width: WINDOW.width / 2, height: WINDOW.height / 2 } };

let theatre;
before(async () => (theatre = await stage()));
after(() => theatre.end());

for (const language of LANGUAGES) {
  test(`the pad fits: ${language}`, async () => {
    const wrong = [];
    for (const [size, viewport] of Object.entries(WINDOWS)) {
      const window = await theatre.open({ language, viewport });
      for (const view of ["prompt-pin", "prompt-pin-wrong", "prompt-pin-new"]) {
        for (const names of [{}, LONG]) {
          for (const text of [100, 200]) {
            // In the smallest window large text is a larger window's matter.
            if (size !== "opened" && text > 100) continue;
            await window.show({
              ...VIEWS[view],
              prompt: { ...VIEWS[view].prompt, ...names },
              settings: { ...VIEWS[view].settings, pinPad: true },
            });
            const found = await window.page.evaluate(look, { text, target: TARGET });
            wrong.push(...found.map((it) => `${size} ${view} ${names.user ? "long" : "short"} ${text} %: ${it}`));
          }
        }
      }
      await window.close();
    }
    assert.deepEqual(wrong, []);
  });
}

for (const language of LANGUAGES) {
  test(`nothing lies over the names in a small window, and no word is broken: ${language}`, async () => {
    const wrong = [];
    for (const [size, viewport] of Object.entries(SCROLLED)) {
      const window = await theatre.open({ language, viewport });
      for (const view of ["prompt-pin", "prompt-pin-new", "register-running-pin"]) {
        const shown = VIEWS[view];
        for (const pinPad of [true, false]) {
          await window.show({ ...shown, settings: { ...shown.settings, pinPad } });
          const found = [...(await layout(window.page)), ...(await window.page.evaluate(squeezed))];
          wrong.push(...found.map((it) => `${size} ${view} ${pinPad}: ${it}`));
        }
      }
      await window.close();
    }
    assert.deepEqual(wrong, []);
  });
}

for (const language of LANGUAGES) {
  test(`what answers is in sight with long names: ${language}`, async () => {
    const wrong = [];
    const window = await theatre.open({ language });
    for (const [view, ids] of [
      ["prompt-failed", ["try-again"]],
      ["prompt-failed-timed-out", ["try-again"]],
      ["prompt-pin-last-attempt", ["pin-sure"]],
      ["prompt-touch", ["step-title"]],
      ["prompt-touch", ["report", "report-back"]],
    ]) {
      for (const changes of [{}, { waiting: 1 }]) {
        const shown = VIEWS[view];
        await window.show({ ...shown, prompt: { ...shown.prompt, ...LONG, ...changes } });
        if (ids.includes("report")) {
          await window.page.waitForFunction(() => !document.documentElement.hasAttribute("data-quiet"));
          await window.page.locator("#not-mine").click();
        }
        for (const id of ids) {
          await window.page.locator(`#${id}`).waitFor();
          const hidden = await window.page.evaluate(isHidden, id);
          if (hidden) wrong.push(`${view} ${JSON.stringify(changes)} ${id}: ${hidden}`);
        }
      }
    }
    await window.close();
    assert.deepEqual(wrong, []);
  });
}

for (const language of LANGUAGES) {
  test(`what is pressed next is in sight in a small window: ${language}`, async () => {
    const wrong = [];
    for (const [size, viewport] of Object.entries(SCROLLED)) {
      const window = await theatre.open({ language, viewport });
      const see = async (...ids) => {
        for (const id of ids) {
          await window.page.locator(`#${id}`).waitFor();
          const hidden = await window.page.evaluate(isHidden, id);
          if (hidden) wrong.push(`${size} ${id}: ${hidden}`);
        }
      };
      await window.show("prompt-waiting");
      await see("step-title", "decline");
      await window.show("prompt-pin-last-attempt");
      await window.page.waitForFunction(() => !document.documentElement.hasAttribute("data-quiet"));
      await window.page.locator("#pin-sure").click();
      await see("pin", "pin-submit");
      await window.close();
    }
    assert.deepEqual(wrong, []);
  });
}

for (const language of LANGUAGES) {
  test(`why a new PIN is needed stands above the pad: ${language}`, async () => {
    const window = await theatre.open({ language });
    for (const view of ["prompt-pin-new", "prompt-pin-change", "prompt-pin-unsuitable"]) {
      await window.show({ ...VIEWS[view], settings: { ...VIEWS[view].settings, pinPad: true } });
      assert.equal(await window.page.evaluate(isHidden, "pin-about"), null);
      assert.equal(await window.page.evaluate(isHidden, "prompt-message"), null);
    }
    await window.close();
  });
}

/** In the page: what is lower than what is in it, by more than a letter reaches out of its line, and so lies over what follows. */
function squeezed() {
  const boxes = [...document.querySelectorAll(".what > *")];
  return boxes.filter((it) => it.scrollHeight > it.clientHeight + 4).map((it) => `${it.localName} holds ${it.scrollHeight} in ${it.clientHeight}`);
}

/** In the page, after the frame that may scroll it: what covers the top or the bottom of an element. */
async function isHidden(id) {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const it = document.getElementById(id);
  const { left, top, right, bottom } = it.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) return `from ${Math.round(top)} to ${Math.round(bottom)}`;
  const seen = [top + 2, bottom - 2].map((y) => document.elementFromPoint((left + right) / 2, y));
  return seen.every((at) => it.contains(at)) ? null : "covered";
}

/** In the page: what is out of sight, too small or covered. */
async function look({ text, target }) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`html { font-size: calc(106.25% * ${text / 100}) !important }`);
  document.adoptedStyleSheets = [sheet];
  await new Promise(requestAnimationFrame);
  const wrong = [];
  const buttons = [...document.querySelectorAll("#move, #pin-pad button, #decline, #not-mine, #pin, #pin-again")];
  if (buttons.length < 16) wrong.push(`only ${buttons.length} are there`);
  for (const it of buttons) {
    const name = it.id || it.dataset.digit || it.dataset.pad;
    const { left, top, right, bottom, width, height } = it.getBoundingClientRect();
    if (left < 0 || top < 0 || right > innerWidth + 0.5 || bottom > innerHeight + 0.5) {
      wrong.push(`${name} ends at ${Math.round(right)} × ${Math.round(bottom)}`);
    } else if (!it.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2))) {
      wrong.push(`${name} is covered`);
    }
    if (width < target || height < target) wrong.push(`${name} is ${Math.round(width)} × ${Math.round(height)} large`);
    if (it.scrollWidth > it.clientWidth + 1 && !it.matches("input")) wrong.push(`${name} is cut`);
  }
  return wrong;
}
