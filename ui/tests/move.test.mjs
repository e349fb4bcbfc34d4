// The handle that moves a prompt, and what a move means for presses.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LANGUAGES, NAMES, VIEWS, WINDOW, stage } from "./stage.mjs";

/** 12 mm at 96 pixels to the inch. */
const TARGET = (12 / 25.4) * 96;

let theatre;
let window;
before(async () => {
  theatre = await stage();
  window = await theatre.open({ hasTouch: true });
});
after(() => theatre.end());

const calm = () => window.page.waitForFunction(() => !document.documentElement.hasAttribute("data-quiet"));
const settled = () => window.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => window.theApp("settled", null).then(done))));
const moved = () => window.page.evaluate(() => window.tell("moved", null));
const at = async (button) => {
  const { x, y, width, height } = await window.page.locator(button).boundingBox();
  return [x + width / 2, y + height / 2];
};
const ways = () => window.actions().map((it) => it.way);

test("the pointer drags the window, and a press sends it to the other side", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  const [x, y] = await at("#move");
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 3, y + 3);
  await page.mouse.move(x + 60, y - 20);
  await page.mouse.up();
  await settled();
  const dragged = ways();
  assert.deepEqual([dragged[0], dragged.at(-1)], [{ by: "grab" }, { by: "drop" }]);
  assert.deepEqual(dragged.at(-2), { by: "drag", x: 60, y: -20 });
  // The end of a drag is no press.
  assert.ok(!dragged.some((it) => it.by === "other-side"), JSON.stringify(dragged));
  await page.mouse.click(x, y);
  await settled();
  assert.deepEqual(ways().at(-1), { by: "other-side" });
});

test("the keyboard moves the window", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  await page.locator("#move").focus();
  for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter"]) await page.keyboard.press(key);
  await settled();
  assert.deepEqual(ways(), ["left", "right", "up", "down", "other-side"].map((by) => ({ by })));
});

test("a finger moves the window", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  await page.touchscreen.tap(...(await at("#move")));
  await settled();
  assert.deepEqual(ways(), [{ by: "other-side" }]);
});

test("a press right after a move answers nothing", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  await moved();
  await page.mouse.click(...(await at("#decline")));
  await settled();
  assert.deepEqual(window.actions(), []);
  await calm();
  await page.mouse.click(...(await at("#decline")));
  await settled();
  assert.deepEqual(window.actions(), [{ do: "decline", id: VIEWS["prompt-touch"].prompt.id }]);
});

test("a press during which the window moves answers nothing", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  await page.mouse.move(...(await at("#decline")));
  await page.mouse.down();
  await moved();
  await calm();
  await page.mouse.up();
  await settled();
  assert.deepEqual(window.actions(), []);
});

test("a covered window is said, and how to move", async () => {
  for (const [view, said] of [["prompt-covers", 1], ["prompt-insert", 0]]) {
    await window.show(view);
    assert.equal(await window.page.locator("#move-hint").count(), said, view);
  }
});

for (const language of LANGUAGES) {
  test(`each target of a prompt is large enough for a glove: ${language}`, async () => {
    const wrong = [];
    for (const viewport of [WINDOW, { width: 398, height: 480 }, { width: 320, height: 480 }]) {
      const window = await theatre.open({ language, viewport });
      for (const view of NAMES.filter((it) => /^(prompt|ended)-/.test(it))) {
        await window.change(VIEWS[view]);
        const small = await window.page.evaluate((target) => {
          const sizes = [...document.querySelectorAll("button, input, summary")].map((it) => [it.id, it.getBoundingClientRect()]);
          return sizes.filter(([, it]) => it.width > 0 && Math.min(it.width, it.height) < target).map(([id, it]) => `${id} ${it.width} × ${it.height}`);
        }, TARGET);
        wrong.push(...small.map((it) => `${viewport.width} ${view}: ${it}`));
      }
      await window.close();
    }
    assert.deepEqual(wrong, []);
  });
}
