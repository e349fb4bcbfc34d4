// What the pages ask of the app, and what they never do with what comes from outside.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { LANGUAGES, NOW, VIEWS, WINDOW, stage } from "./stage.mjs";

let theatre;
let window;
before(async () => {
  theatre = await stage();
  window = await theatre.open();
});
after(() => theatre.end());

const pins = () => window.told.filter((it) => it.command === "enter_pin").map((it) => Buffer.from(it.given).toString());
/** All that was begun is done: what the page tells the app goes through one pipe. */
const settled = () => window.page.evaluate(() => window.theApp("settled", null));
/** Presses count again: nothing has moved for a while. */
const calm = (page = window.page) => page.waitForFunction(() => !document.documentElement.hasAttribute("data-quiet"));
/** A press on the field for a PIN, which takes typing from then on. */
const arm = async (page = window.page) => {
  await calm(page);
  await page.locator("#pin").click();
};
const within = (view, changes) => ({ ...VIEWS[view], prompt: { ...VIEWS[view].prompt, ...changes } });

test("each button does what it says, once, however often it is pressed", async () => {
  const open = (page) => ({ do: "open", page });
  const cases = [
    ["status-healthy", "#check-again", { do: "check-again" }],
    ["status-healthy", "#nav-keys", open("keys")],
    ["status-healthy", "#nav-about", open("about")],
    ["about", "#nav-status", open("status")],
    ["prompt-touch", "#decline", { do: "decline", id: VIEWS["prompt-touch"].prompt.id }],
    ["prompt-touch", "#report", { do: "not-mine", id: VIEWS["prompt-touch"].prompt.id }, "#not-mine"],
    ["prompt-failed", "#try-again", { do: "try-again", id: VIEWS["prompt-failed"].prompt.id }],
    ["prompt-pin", "#decline", { do: "decline", id: VIEWS["prompt-touch"].prompt.id }],
    ["ended-timed-out", "#dismiss", { do: "dismiss" }],
    ["register-running-touch", "#register-cancel", { do: "stop-registering" }],
    ["register-done", "#register-dismiss", { do: "stop-registering" }],
    ["register-failed-code", "#register-dismiss", { do: "stop-registering" }],
  ];
  const wrong = [];
  for (const [view, button, action, first] of cases) {
    for (const press of ["dblclick", "Enter", "Space"]) {
      await window.show(view);
      await calm();
      if (first) {
        await window.page.locator(first).click();
        await calm();
      }
      const it = window.page.locator(button);
      if (press === "dblclick") await it.dblclick();
      else for (const _ of "12") await it.press(press);
      await settled();
      const done = window.actions();
      // A page may be opened twice over; nothing else may be done twice.
      if (action.do === "open") done.splice(1);
      if (!isDeepStrictEqual(done, [action])) wrong.push(`${view} ${button} ${press}: ${JSON.stringify(done)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the second half of a double click is no answer to the next request", async () => {
  const { page } = window;
  const next = within("prompt-touch", { id: "BBBBBBBBBBBBBBBBBBBBBB", message: "Another" });
  for (const button of ["#decline"]) {
    await window.show("prompt-touch");
    await calm();
    const { x, y, width, height } = await page.locator(button).boundingBox();
    await page.mouse.click(x + width / 2, y + height / 2);
    await window.change(next);
    await page.locator("#prompt-message", { hasText: "Another" }).waitFor();
    await page.mouse.down({ clickCount: 2 });
    await page.mouse.up({ clickCount: 2 });
    await settled();
    assert.equal(window.actions().length, 1, button);
    // It can be answered for itself.
    await calm();
    await page.mouse.click(x + width / 2, y + height / 2);
    await settled();
    assert.equal(window.actions().length, 2, button);
  }
});

test("a PIN is handed over once, as it was typed, and nothing of it stays", async () => {
  for (const pin of ["123456", " 0000 ", "pässwörd-漢字-🔑", "x".repeat(63)]) {
    await window.show("prompt-pin");
    const field = window.page.locator("#pin");
    assert.equal(await field.getAttribute("type"), "password");
    assert.ok(await field.evaluate((it) => it !== document.activeElement), "the PIN takes the keyboard");
    await arm();
    await window.page.keyboard.insertText(pin);
    await window.page.locator("#pin-submit").dblclick();
    await settled();
    assert.deepEqual(pins(), [pin]);
    assert.equal(await field.inputValue(), "");
    assert.equal((await window.page.content()).includes(pin), false);
  }
  await window.show("prompt-pin");
  await arm();
  await window.page.locator("#pin").fill("4711");
  await window.page.keyboard.press("Enter");
  await settled();
  assert.deepEqual(pins(), ["4711"]);
});

test("a PIN that cannot be right costs no attempt", async () => {
  for (const pin of ["", "123", "x".repeat(64), "🔑".repeat(16)]) {
    await window.show("prompt-pin");
    await arm();
    await window.page.locator("#pin").fill(pin);
    await window.page.locator("#pin-submit").click();
    await settled();
    assert.deepEqual(pins(), [], pin);
    await window.page.getByRole("alert").filter({ hasText: /./ }).first().waitFor();
  }
});

test("each question for a PIN begins with an empty field", async () => {
  await window.show("prompt-pin");
  await arm();
  await window.page.locator("#pin").fill("123456");
  await window.change("prompt-pin-wrong");
  await window.page.locator("#pin-attempts", { hasText: "5" }).waitFor();
  // The question's number is what counts.
  const again = VIEWS["prompt-pin-wrong"].prompt.step;
  await window.change(within("prompt-pin-wrong", { step: { ...again, question: again.question + 1, attemptsLeft: 4 } }));
  await window.page.locator("#pin-attempts", { hasText: "4" }).waitFor();
  assert.equal(await window.page.locator("#pin").inputValue(), "");
});

test("a PIN can be entered by touch alone, on a tablet", async () => {
  const tablet = await theatre.open({ viewport: { width: 800, height: 1280 }, hasTouch: true, isMobile: true });
  const { page } = tablet;
  await tablet.show("prompt-pin");
  await calm(page);
  for (const key of ["1", "9", "0", "erase", "8", "2", "5"]) {
    await page.locator(key === "erase" ? "[data-pad=erase]" : `[data-digit='${key}']`).tap();
  }
  assert.equal(await page.locator("#pin").inputValue(), "19825");
  await page.locator("#pin-submit").tap();
  await page.evaluate(() => window.theApp("settled", null));
  const given = tablet.told.filter((it) => it.command === "enter_pin").map((it) => Buffer.from(it.given).toString());
  assert.deepEqual(given, ["19825"]);
  await tablet.close();

  await window.show("prompt-pin");
  const toggle = window.page.locator("#pin-pad-toggle");
  for (const shown of [true, false, true]) {
    await calm();
    await toggle.click();
    assert.equal(await toggle.getAttribute("aria-expanded"), String(shown));
    assert.equal(await window.page.locator("[data-digit]").count(), shown ? 10 : 0);
  }
  // In the window as it opens, what sends the PIN is in sight.
  const send = await window.page.locator("#pin-submit").boundingBox();
  assert.ok(send.y + send.height <= WINDOW.height, `it ends at ${send.y + send.height} of ${WINDOW.height}`);
});

test("a new PIN is asked for twice, and taken when both are the same", async () => {
  await window.show("prompt-pin-new");
  await arm();
  const [first, again] = [window.page.locator("#pin"), window.page.locator("#pin-again")];
  await first.fill("123456");
  await again.fill("123457");
  await window.page.locator("#pin-submit").click();
  await settled();
  assert.deepEqual(pins(), []);
  assert.deepEqual([await first.inputValue(), await again.inputValue()], ["", ""]);
  // What was wrong is said above the button, which moves.
  await calm();
  await first.fill("12345");
  await again.fill("12345");
  await window.page.locator("#pin-submit").click();
  await settled();
  assert.deepEqual(pins(), [], "shorter than the key takes");
  await calm();
  for (const field of [first, again]) await field.fill("654321");
  await window.page.locator("#pin-submit").dblclick();
  await settled();
  assert.deepEqual(pins(), ["654321"]);
  assert.deepEqual([await first.inputValue(), await again.inputValue()], ["", ""]);
});

test("a key is registered with the code and the name that were typed", async () => {
  await window.show("keys-empty");
  const { page } = window;
  await calm();
  await page.locator("#register-start").click();
  await settled();
  assert.deepEqual(window.actions(), [], "without a code and a name");
  await calm();
  await page.locator("#register-code").fill("ABCD-1234");
  await page.locator("#register-name").fill("<b>blue</b> key");
  await page.locator("#register-start").dblclick();
  await settled();
  assert.deepEqual(window.actions(), [{ do: "register", code: "ABCD-1234", name: "<b>blue</b> key" }]);
});

test("text from outside is text", async () => {
  await window.show("prompt-markup");
  const { page } = window;
  const { application, user, message, details } = VIEWS["prompt-markup"].prompt;
  const shown = { application, user, message };
  const rows = await page.locator("#prompt-details tr").evaluateAll((all) => all.map((row) => [...row.children].map((it) => it.textContent)));
  assert.deepEqual(rows, details.map(({ name, value }) => [name, value]));
  assert.ok(rows.length > 1 && JSON.stringify(rows).includes("<script>"));
  for (const [name, text] of Object.entries(shown)) {
    assert.equal(await page.locator(`#prompt-${name}`).evaluate((it) => it.textContent), text);
    assert.equal(await page.locator(`#prompt-${name} :not(.end)`).count(), 0, name);
  }
  assert.match(message, /<U\+202E>.*\n<img src=x/);
  assert.equal(await page.locator("img, script:not([src]), b, i").count(), 0);
  assert.doesNotMatch(await page.title(), /^obeyed/);
  assert.deepEqual(window.wrong.splice(0), []);

  await window.show("keys-list");
  assert.match(await page.locator("[data-key='3']").innerText(), /<i>key<\/i><U\+202E>/);
  await window.show("status-foreign-policy");
  await calm(page);
  await page.locator("#checks-it > summary").click();
  assert.match(await page.locator("[data-check='acme-badge-reader']").innerText(), /<b>bold<\/b><U\+0007>/);
  assert.deepEqual(window.wrong.splice(0), []);
});

test("what a request is refused for does not read as good", async () => {
  const { page } = window;
  await window.show("ended-unhealthy-foreign-policy");
  const check = page.locator("[data-check='lock-idle']");
  assert.match(await check.innerText(), /Does not meet this request/);
  assert.doesNotMatch(await check.innerText(), /Good/);
});

test("who is refused reads what to do meanwhile", async () => {
  const { page } = window;
  await window.show("ended-unhealthy-downtime");
  const { text, phone } = VIEWS["ended-unhealthy-downtime"].organisation.downtime;
  const note = await page.locator("#downtime").innerText();
  assert.ok(note.includes(text) && note.includes(phone), note);
  assert.equal(await page.locator("#downtime :is(a, button)").count(), 0, "it opens nothing");
  // Nothing is invented, and a request that may still be approved sends nobody away.
  for (const view of ["ended-unhealthy", "prompt-touch"]) {
    await window.change(view);
    await page.locator("#prompt").waitFor();
    assert.equal(await page.locator("#downtime").count(), 0, view);
  }
});

test("a long text is there to its end", async () => {
  await window.show("prompt-long");
  const message = window.page.locator("#prompt-message");
  assert.equal(await message.evaluate((it) => it.textContent), VIEWS["prompt-long"].prompt.message);
  assert.equal(VIEWS["prompt-long"].prompt.message.length, 10_000);
  await calm(window.page);
  // By keyboard alone, and the buttons are there without scrolling past all of it.
  await message.focus();
  await window.page.keyboard.press("End");
  await window.page.waitForFunction(() => {
    const it = document.querySelector("#prompt-message");
    const end = document.createRange();
    end.setStart(it.firstChild, it.firstChild.length - 1);
    end.setEnd(it.firstChild, it.firstChild.length);
    const { bottom } = end.getBoundingClientRect();
    return bottom <= Math.min(it.getBoundingClientRect().bottom, innerHeight);
  });
  for (const button of ["#decline", "#not-mine"]) await window.page.locator(button).click({ trial: true });
});

test("nothing of a request stays when it is over", async () => {
  const { page } = window;
  for (const end of ["status-healthy", "ended-timed-out"]) {
    await window.show("prompt-details");
    await window.change(end);
    await page.locator(end === "status-healthy" ? "#headline" : "#prompt[data-end]").waitFor();
    // What was read out is hushed after some seconds.
    await page.waitForFunction(() => !/nurse-7|4711|heparin/.test(document.documentElement.outerHTML), null, { timeout: 15_000 });
    assert.doesNotMatch(await page.title(), /nurse-7|4711/);
  }
});

test("a request takes the keyboard, and gives it back", async () => {
  const { page } = window;
  await window.show("status-blocked");
  await page.locator("#check-again").focus();
  await window.change("prompt-touch");
  await page.waitForFunction(() => document.querySelector("#prompt")?.contains(document.activeElement));
  // Enter, pressed for something else a moment ago, answers nothing.
  await page.keyboard.press("Enter");
  await page.keyboard.press("Space");
  await settled();
  assert.deepEqual(window.actions(), []);
  await window.change("status-blocked");
  await page.waitForFunction(() => document.activeElement?.id === "check-again");
});

test("time that is left is counted, and said as it runs out", async () => {
  const clocked = await theatre.open();
  const { page } = clocked;
  await page.clock.install({ time: NOW * 1000 });
  await clocked.show("prompt-touch");
  const reads = (text) => page.locator("#prompt-time", { hasText: text }).waitFor();
  // The first second that passes by itself shows that the page counts; before that, a jump of the clock is nothing to it.
  await reads(/^1:4[0-6]$/);
  await page.clock.pauseAt(NOW * 1000 + 47_000);
  await reads(/^1:00$/);
  await page.clock.runFor(31_000);
  await reads(/^0:29$/);
  await page.locator("#say-polite", { hasText: /\d/ }).waitFor({ state: "attached" });
  await page.clock.runFor(60_000);
  await reads(/^0:00$/);
  await clocked.close();
});

test("each state is marked for those who drive the real app", async () => {
  const { page } = window;
  for (const [name, view] of Object.entries(VIEWS)) {
    if (name.startsWith("flash-")) continue;
    await window.change(name);
    const { prompt, device, lost, registration } = view;
    const there = async (selector) => assert.equal(await page.locator(selector).count(), 1, `${name}: ${selector}`);
    await there(`main[data-page=${prompt ? "prompt" : view.page}]`);
    if (prompt?.step.kind === "ended") await there(`#prompt[data-step=ended][data-end=${prompt.step.end}]`);
    else if (prompt) await there(`#prompt[data-step=${prompt.step.kind}]`);
    else if (view.page === "status") await there(`#headline[data-kind=${device.headline.kind}][data-tone=${device.tone}]`);
    else if (view.page === "keys") await there(`#registration[data-kind=${registration.kind}]`);
    if (!prompt && view.page === "status") {
      assert.equal(await page.locator("#lost").count(), lost ? 1 : 0, name);
      for (const check of device.checks) await there(`li[data-check='${check.code}'][data-tone=${check.tone}]`);
    }
  }
});

test("diagnostics are shown and copied", async () => {
  const permitted = await theatre.open({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = permitted;
  await permitted.show("status-blocked");
  await calm(page);
  await page.locator("#diagnostics-show").click();
  await page.waitForFunction(() => document.querySelector("#diagnostics")?.value.startsWith("vitalsign-app "));
  await calm(page);
  await page.locator("#copy-diagnostics").click();
  await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("vitalsign-app "));
  assert.deepEqual(permitted.wrong, []);
  await permitted.close();
});

test("diagnostics are sent once, and each failure says what to do", async () => {
  const results = [{ kind: "offline" }, { kind: "too-often" }, { kind: "failed" }, { kind: "sent", reference: "R-0471" }];
  for (const language of ["en", "es", "fr", "de"]) {
    const window = await theatre.open({ language, results: [...results] });
    const { page } = window;
    await window.show("status-managed");
    await calm(page);
    await page.locator("#diagnostics-show").click();
    const shown = await page.locator("#diagnostics").inputValue();
    const asked = () => window.told.filter(({ command }) => command === "send_diagnostics");
    assert.deepEqual(asked(), [], "it is sent before the person has read it");
    for (const { kind } of results) {
      await calm(page);
      await page.locator("#send-diagnostics").click();
      await page.locator(`#sent[data-sent=${kind}]`).waitFor();
    }
    const said = (await page.locator("#sent").innerText()).replaceAll(/[\u2068\u2069]/g, "");
    assert.ok(said.includes("R-0471") && said.includes("Service desk"), said);
    await calm(page);
    await page.locator("#send-diagnostics").click({ force: true });
    assert.equal(asked().length, results.length, "it is sent twice");
    for (const { given } of asked()) assert.equal(given.text, shown);
    assert.deepEqual(window.wrong, []);
    await window.close();
  }
  const lost = await theatre.open({ sendable: false });
  await lost.show("status-blocked");
  await calm(lost.page);
  await lost.page.locator("#diagnostics-show").click();
  await lost.page.locator("#diagnostics-not-sendable").waitFor();
  assert.equal(await lost.page.locator("#send-diagnostics").count(), 0);
  await lost.close();
});

test("the person's own problems come first, and IT's are folded with the way to IT", async () => {
  const window = await theatre.open();
  await window.show("status-managed");
  const { page } = window;
  // Without the marks by which Fluent isolates names of another direction.
  const read = async (it) => (await it.innerText()).replaceAll(/[\u2068\u2069]/g, "");
  const visible = await page.locator("[data-check]:visible").evaluateAll((all) => all.map((it) => it.dataset.check));
  assert.equal(visible[0], "os-updates");
  assert.ok(!visible.includes("disk-encryption"), visible.join());
  assert.match(await read(page.locator("#checks-it > summary")), /Service desk fixes \d+ things/);
  assert.match(await read(page.locator("main .support")), /Call Service desk \(ext\. 1234\)/);
  await calm(page);
  await page.locator("#checks-it > summary").click();
  const disk = page.locator('[data-check="disk-encryption"]');
  assert.match(await read(disk), /Call Service desk \(ext\. 1234\)/);
  assert.deepEqual(await page.locator("[data-check] .remediator.you:visible").count(), 1);
  assert.deepEqual(window.wrong, []);
  await window.close();
});

test("the organisation stands apart from the request, whatever the application is called", async () => {
  const forged = { ...VIEWS["prompt-pin-organisation"], prompt: { ...VIEWS["prompt-pin-organisation"].prompt } };
  forged.prompt.application = "St. Example Hospital";
  await window.show(forged);
  const bar = window.page.locator("#organisation");
  assert.equal(await bar.textContent(), "St. Example Hospital");
  assert.equal(await window.page.locator("main #organisation").count(), 0);
  await window.show({ ...forged, organisation: { name: null, colour: null, logo: null } });
  assert.equal(await bar.count(), 0, "an application's name alone makes no bar");
  assert.equal(await window.page.locator("#prompt-application").textContent(), "St. Example Hospital");
});

test("the logo is drawn from pixels, and no picture is loaded", async () => {
  await window.show("prompt-pin-organisation");
  const canvas = window.page.locator("#organisation canvas");
  await window.page.waitForFunction(() => document.querySelector("#organisation canvas")?.width === 40);
  const pixel = (x, y) => canvas.evaluate((it, [x, y]) => [...it.getContext("2d").getImageData(x, y, 1, 1).data], [x, y]);
  assert.deepEqual(await pixel(1, 1), [0, 94, 184, 255]);
  assert.deepEqual(await pixel(19, 9), [255, 255, 255, 255]);
  assert.equal(await window.page.locator("img, picture, svg image").count(), 0);
});

test("the organisation's colour is a line, in another shade in the dark", async () => {
  const line = async (system) => {
    const other = await theatre.open(system);
    await other.show("status-managed");
    const colour = await other.page.locator("#organisation").evaluate((it) => getComputedStyle(it).borderTopColor);
    await other.close();
    return colour;
  };
  const { light, dark } = VIEWS["status-managed"].organisation.colour;
  const rgb = (colour) => `rgb(${[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)).join(", ")})`;
  assert.equal(await line({ colorScheme: "light" }), rgb(light));
  assert.equal(await line({ colorScheme: "dark" }), rgb(dark));
  assert.notEqual(await line({ colorScheme: "light", contrast: "more" }), rgb(light));
});

test("sentences name the team and its number, in each language", async () => {
  const blocked = { ...VIEWS["ended-pin-blocked"], device: VIEWS["status-managed"].device };
  for (const language of LANGUAGES) {
    const other = await theatre.open({ language });
    await other.show(blocked);
    const said = (await other.page.locator("main").textContent()).replaceAll(/[\u2068\u2069]/g, "");
    assert.ok(said.includes(" (Service desk, ext. 1234)"), `${language}: ${said}`);
    await other.show("ended-pin-blocked");
    const plain = await other.page.locator("main").textContent();
    assert.ok(!/\(\)|reach|\u2068\u2069/.test(plain), `${language}: ${plain}`);
    await other.close();
  }
});

test("the person is told that the server has not answered their tap", async () => {
  await window.show("prompt-checking");
  const next = window.page.locator("#step-next");
  const first = await next.textContent();
  await window.page.waitForFunction((before) => document.querySelector("#step-next").textContent !== before, first);
  assert.match(await next.textContent(), /No answer from the server yet/);
  // It is no word about the next request.
  await window.change("prompt-touch");
  assert.doesNotMatch(await next.textContent(), /No answer/);
});

test("the drawing of the key gives way to what is signed", async () => {
  await window.show("prompt-touch");
  assert.ok(await window.page.locator(".picture").isVisible());
  await window.show("prompt-long");
  assert.ok(!(await window.page.locator(".picture").isVisible()));
});
