// Presses and keys that were meant for something else, which the page must not take for an answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LANGUAGES, VIEWS, stage } from "./stage.mjs";

let theatre;
let window;
before(async () => {
  theatre = await stage();
  window = await theatre.open();
});
after(() => theatre.end());

const calm = () => window.page.waitForFunction(() => !document.documentElement.hasAttribute("data-quiet"));
const settled = () => window.page.evaluate(() => window.theApp("settled", null));
const pins = () => window.told.filter((it) => it.command === "enter_pin").map((it) => Buffer.from(it.given).toString());
const at = async (button) => {
  const { x, y, width, height } = await window.page.locator(button).boundingBox();
  return [x + width / 2, y + height / 2];
};
const pin = (changes) => {
  const view = VIEWS["prompt-pin"];
  return { ...view, prompt: { ...view.prompt, step: { ...view.prompt.step, ...changes } } };
};
const value = () => window.page.locator("#pin").inputValue();

test("clicks that go on while a prompt comes up answer nothing", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  const places = [await at("#decline"), await at("#not-mine")];
  for (const [x, y] of places) {
    await window.show("status-healthy");
    await window.change("prompt-touch");
    // For longer than the quiet time: each of them shows that the person is at something else.
    const end = Date.now() + 1500;
    while (Date.now() < end) await page.mouse.click(x, y);
    await settled();
    assert.deepEqual(window.actions(), []);
    assert.equal(await page.locator("#report-panel").count(), 0);
  }
});

test("a press that began before the buttons came answers nothing", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  const place = await at("#decline");
  await window.show("prompt-touch");
  await calm();
  await page.mouse.move(...place);
  await page.mouse.down();
  await window.change(pin({ question: 7 }));
  await calm();
  await page.mouse.up();
  await settled();
  assert.deepEqual(window.actions(), []);
  // One that began elsewhere and ends on the button.
  await page.mouse.move(10, 10);
  await page.mouse.down();
  await page.mouse.move(...place);
  await page.mouse.up();
  await settled();
  assert.deepEqual(window.actions(), []);
});

test("text that is meant for another window reaches no field and no button", async () => {
  const { page } = window;
  await window.show(pin({}));
  await calm();
  for (const keys of ["dose 10 mg\n", "1234\t5678\t\n", "\t\t12\t34 \n", " \n\t \n"]) {
    for (const letter of keys) await page.keyboard.press(letter === "\n" ? "Enter" : letter === "\t" ? "Tab" : letter === " " ? "Space" : letter);
  }
  await settled();
  assert.deepEqual([window.actions(), pins(), await value()], [[], [], ""]);
  assert.equal(await page.locator("#report-panel").count(), 0);
});

test("the field takes typing after a press or Tab", async () => {
  const { page } = window;
  await window.show(pin({}));
  await calm();
  await page.locator("#pin").click();
  await page.keyboard.type("4711");
  assert.equal(await value(), "4711");

  await window.show(pin({}));
  await calm();
  const focused = () => page.evaluate(() => document.activeElement?.id);
  for (let presses = 0; presses < 9 && (await focused()) !== "pin"; presses += 1) await page.keyboard.press("Tab");
  await page.keyboard.type("4712");
  await page.keyboard.press("Enter");
  await settled();
  assert.deepEqual(pins(), ["4712"]);

  // The next question needs an act of its own.
  await window.change(pin({ question: 9, why: "wrong", attemptsLeft: 7 }));
  await calm();
  await page.keyboard.type("4713");
  await page.keyboard.press("Enter");
  await settled();
  assert.deepEqual([pins(), await value()], [["4712"], ""]);
});

test("a PIN can be pasted into the field that takes typing", async () => {
  // WCAG 2.2, 3.3.8: nobody has to remember or transcribe it.
  const { page } = window;
  await window.show(pin({}));
  await calm();
  await page.locator("#pin").click();
  const paste = (it) => it.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true }));
  assert.ok(await page.locator("#pin").evaluate(paste), "pasting was prevented");
});

test("an insertion lets the field take typing once no key is pressed", async () => {
  const { page } = window;
  await window.show(pin({ inserted: true }));
  await page.keyboard.type("mg");
  assert.equal(await value(), "");
  await page.waitForFunction(() => !document.querySelector("#pin").readOnly);
  await page.keyboard.type("4714");
  assert.equal(await value(), "4714");
});

test("with few attempts left the person says first that they know the PIN", async () => {
  const { page } = window;
  for (const attemptsLeft of [1, 2, 3]) {
    await window.show(pin({ attemptsLeft, inserted: true }));
    await calm();
    assert.equal(await page.locator("#pin").count(), 0);
    await page.locator("#pin-sure").click();
    await page.waitForFunction(() => document.activeElement?.id === "pin" && !document.activeElement.readOnly);
    await page.keyboard.type("4715");
    assert.equal(await value(), "4715");
  }
  await window.show(pin({ attemptsLeft: 4 }));
  assert.equal(await page.locator("#pin-sure").count(), 0);
});

test("the alarm takes two steps, in two places", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  const place = await at("#not-mine");
  await page.mouse.click(...place);
  await page.locator("#report-panel").waitFor();
  await calm();
  await page.mouse.click(...place);
  await settled();
  assert.deepEqual(window.actions(), []);
  await page.locator("#report").click();
  await settled();
  assert.deepEqual(window.actions(), [{ do: "not-mine", id: VIEWS["prompt-touch"].prompt.id }]);
});

for (const language of LANGUAGES) {
  test(`no button is where another was: ${language}`, () => places(language));
}

async function places(language) {
  const window = await theatre.open({ language });
  const { page } = window;
  const views = Object.keys(VIEWS).filter((it) => /^(prompt|ended)-/.test(it) && !/long|unbroken|markup/.test(it));
  const seen = new Map();
  const wrong = new Set();
  for (const view of views) {
    for (const pinPad of [false, true]) {
      if (pinPad && !view.startsWith("prompt-pin")) continue;
      await window[pinPad ? "show" : "change"]({ ...VIEWS[view], settings: { ...VIEWS[view].settings, pinPad } });
      const boxes = await page.evaluate(() =>
        ["#decline", "#not-mine", "#dismiss", "#pin-submit", "#try-again"].flatMap((id) => {
          const button = document.querySelector(id);
          const it = button?.getBoundingClientRect();
          // One below the footer cannot be pressed before it is scrolled to.
          const there = it && button.contains(document.elementFromPoint((it.left + it.right) / 2, (it.top + it.bottom) / 2));
          return there ? [{ id, left: it.left, top: it.top, right: it.right, bottom: it.bottom }] : [];
        }),
      );
      for (const box of boxes) seen.set(`${box.id} ${JSON.stringify(box)}`, box);
    }
  }
  // What answers, against what merely goes on.
  const answers = [...seen.values()].filter((it) => ["#decline", "#not-mine"].includes(it.id));
  for (const one of answers) {
    for (const other of seen.values()) {
      const over = one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
      if (one.id !== other.id && over) wrong.add(`${other.id} is where ${one.id} was`);
    }
  }
  await window.close();
  assert.deepEqual([...wrong], []);
  assert.ok(answers.length > 1);
}

test("after the tap nothing can be declined", async () => {
  await window.show("prompt-checking");
  await calm();
  for (const button of ["#decline", "#not-mine"]) {
    assert.equal(await window.page.locator(button).getAttribute("aria-disabled"), "true");
    // By the mouse itself: the driver would wait until the button can be used.
    await window.page.mouse.click(...(await at(button)));
  }
  await settled();
  assert.deepEqual(window.actions(), []);
  assert.equal(await window.page.locator("#report-panel").count(), 0);
});

test("each end has its tone, once, unless tones are switched off", async () => {
  const { page } = window;
  await window.show("status-healthy");
  const heard = async (view) => {
    await page.evaluate(() => (window.heard.length = 0));
    await window.change("status-healthy");
    await window.change(view);
    await window.change(view);
    return page.evaluate(() => window.heard.join());
  };
  const tones = [await heard("flash-approved"), await heard("flash-declined"), await heard("ended-unhealthy")];
  assert.equal(new Set(tones).size, 3, `${tones}`);
  assert.ok(tones.every((it) => it !== ""));
  assert.equal(await page.evaluate(() => window.loudspeakers), 1);
  for (const view of ["flash-approved", "ended-unhealthy"]) {
    const settings = { ...VIEWS[view].settings, tones: false };
    assert.equal(await heard({ ...VIEWS[view], settings }), "", view);
  }
  const unmarked = { ...VIEWS["flash-approved"], settings: { ...VIEWS["flash-approved"].settings, checkMark: false } };
  await window.change(unmarked);
  assert.equal(await page.locator("#flash").count(), 0);
});

test("a button that a text has moved is not pressed at once", async () => {
  const { page } = window;
  const asked = (waiting) => ({ ...VIEWS["prompt-failed"], prompt: { ...VIEWS["prompt-failed"].prompt, waiting } });
  await window.show(asked(0));
  await calm();
  const before = await at("#decline");
  await window.change(asked(1));
  assert.notDeepEqual(await at("#decline"), before);
  await page.mouse.click(...(await at("#decline")));
  await settled();
  assert.deepEqual(window.actions(), []);
  await calm();
  await page.mouse.click(...(await at("#decline")));
  await settled();
  assert.equal(window.actions().length, 1);
  // The clock goes on, and moves nothing.
  await window.show(asked(0));
  await calm();
  await page.clock.setFixedTime((VIEWS["prompt-failed"].prompt.until - 65) * 1000);
  await page.waitForFunction(() => /1:05/.test(document.querySelector("#prompt-time").textContent));
  assert.equal(await page.evaluate(() => document.documentElement.hasAttribute("data-quiet")), false);
});

test("two fingers are no assistive program", async () => {
  const { page } = window;
  await window.show("status-healthy");
  await window.change("prompt-touch");
  // Both are put down while presses do not count, and are lifted later.
  const lift = (id, on) =>
    page.evaluate(
      ([pointerId, on]) => document.querySelector(on).dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 })),
      [id, on],
    );
  await page.evaluate(() => {
    for (const pointerId of [1, 2]) document.querySelector("#decline").dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, pointerId, pointerType: "touch" }));
  });
  await calm();
  await lift(1, "#decline");
  await lift(2, "#decline");
  await settled();
  assert.deepEqual(window.actions(), []);
  // A program for people who see or move little has no pointer.
  await page.evaluate(() => document.querySelector("#decline").click());
  await settled();
  assert.equal(window.actions().length, 1);
});

test("a key that is held down presses once, and enters one digit", async () => {
  const { page } = window;
  await window.show("prompt-touch");
  await calm();
  await page.locator("#decline").focus();
  for (const _ of "123") await page.keyboard.down("Space");
  await page.keyboard.up("Space");
  await settled();
  assert.equal(window.actions().length, 1);
  // Begun before the buttons came.
  await window.show("prompt-touch");
  await calm();
  await page.locator("#decline").focus();
  await page.keyboard.down("Space");
  await window.change(pin({ question: 7 }));
  await calm();
  await page.locator("#decline").focus();
  for (const _ of "123") await page.keyboard.down("Space");
  await page.keyboard.up("Space");
  for (const _ of "123") await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await settled();
  assert.equal(window.actions().length, 1);

  await window.show(pin({}));
  await calm();
  await page.locator("#pin").click();
  for (const digit of "47") {
    for (const _ of "123") await page.keyboard.down(digit);
    await page.keyboard.up(digit);
  }
  assert.equal(await value(), "47");
  for (const _ of "123") await page.keyboard.down("Backspace");
  assert.equal(await value(), "");
});

test("a failure that comes again can be tried again", async () => {
  const { page } = window;
  await window.show("prompt-failed");
  for (const tries of [1, 2, 3]) {
    await calm();
    await page.locator("#try-again").click();
    await settled();
    assert.equal(window.actions().length, tries);
    await window.change("prompt-preparing");
    await window.change("prompt-failed");
  }
  // The steps between may not have been drawn.
  await calm();
  await page.locator("#try-again").click();
  await page.waitForFunction((since) => performance.now() - since > 2000, await page.evaluate(() => performance.now()));
  await calm();
  await page.locator("#try-again").click();
  await settled();
  assert.equal(window.actions().length, 5);
});
