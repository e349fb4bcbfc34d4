// What is signed is read first: the page reports the end of the text and of the details once they were in view, and never
// before.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LANGUAGES, VIEWS, stage } from "./stage.mjs";

let theatre;
before(async () => (theatre = await stage()));
after(() => theatre.end());

const PREPARING = { kind: "preparing" };
const LONG = "Release the blood products of request 20417. ".repeat(60);
const ROWS = Array.from({ length: 60 }, (_, row) => ({ name: `dose ${row}`, value: "5000 IU", depth: 0 }));
const asked = (changes) => {
  const view = VIEWS["prompt-touch"];
  return { ...view, prompt: { ...view.prompt, step: PREPARING, ...changes } };
};
const reports = (window) => window.told.filter((it) => it.given?.action?.do === "read").map((it) => it.given.action.id);
const unread = (window) => window.page.locator(".live[data-unread=true]");
const toEnd = (window, id) => window.page.locator(id).evaluate((it) => (it.scrollTop = it.scrollHeight));
const reported = async (window) => {
  await unread(window).waitFor({ state: "detached" });
  // The page tells it after the frame that shows it.
  const end = Date.now() + 10_000;
  while (reports(window).length === 0 && Date.now() < end) await window.page.evaluate(() => new Promise(requestAnimationFrame));
  return reports(window);
};

test("a short text is read at once", async () => {
  const window = await theatre.open();
  await window.show(asked({}));
  assert.deepEqual(await reported(window), [VIEWS["prompt-touch"].prompt.id]);
  // Where the key is asked again, it is said again; while it is asked, nothing.
  await window.change("prompt-touch");
  assert.equal(reports(window).length, 1);
  await window.change(asked({}));
  await window.page.waitForFunction(() => true);
  assert.equal((await reported(window)).length, 2);
  await window.close();
});

for (const language of LANGUAGES) {
  test(`a long text is read when its end was in view: ${language}`, async () => {
    const window = await theatre.open({ language });
    for (const [changes, parts] of [
      [{ message: LONG }, ["#prompt-message"]],
      [{ details: ROWS }, ["#prompt-details"]],
      [{ message: LONG, details: ROWS }, ["#prompt-message", "#prompt-details"]],
    ]) {
      await window.show(asked(changes));
      for (const part of parts) {
        await unread(window).waitFor();
        // Half of it is not all of it.
        await window.page.locator(part).evaluate((it) => (it.scrollTop = it.scrollHeight / 2));
        await window.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        assert.deepEqual(reports(window), []);
        await toEnd(window, part);
      }
      assert.equal((await reported(window)).length, 1);
      // To have been in view is enough: the person may look at its beginning again.
      await window.page.locator(parts[0]).evaluate((it) => (it.scrollTop = 0));
      await window.change(asked({ ...changes, waiting: 1 }));
      assert.equal(await unread(window).count(), 0);
    }
    await window.close();
  });
}

test("another text is read by itself", async () => {
  const window = await theatre.open();
  await window.show(asked({}));
  assert.equal((await reported(window)).length, 1);
  await window.change(asked({ message: LONG }));
  await unread(window).waitFor();
  assert.equal(reports(window).length, 1);
  await window.close();
});

test("a request that follows another is in view for a while before the key is asked", async () => {
  const window = await theatre.open();
  const next = asked({ id: "BBBBBBBBBBBBBBBBBBBBBB", message: "Another" });
  const now = () => window.page.evaluate(() => performance.now());
  const until = async (count) => {
    const end = Date.now() + 10_000;
    while (reports(window).length < count && Date.now() < end) await window.page.evaluate(() => new Promise(requestAnimationFrame));
    assert.equal(reports(window).length, count);
    return now();
  };
  await window.show(asked({}));
  await until(1);
  // The finger may still lie on the key.
  let begun = await now();
  await window.change(next);
  assert.ok((await until(2)) - begun >= 1000);
  // Not while the mark of the first covers it, nor right after.
  const mark = { number: 1, end: "approved" };
  await window.show(asked({}));
  await until(1);
  await window.change({ ...next, flash: mark });
  begun = await now();
  await window.page.waitForFunction((begun) => performance.now() - begun > 1500, begun);
  assert.equal(reports(window).length, 1);
  begun = await now();
  await window.change(next);
  assert.ok((await until(2)) - begun >= 1000);
  await window.close();
});

test("what the footer covers was not in view", async () => {
  const window = await theatre.open();
  await window.show(asked({ message: LONG }));
  await unread(window).waitFor();
  // A footer over the text, as on a low page that scrolls below it.
  await window.page.locator("footer").evaluate((it) => (it.style = "position: fixed; inset: 0 0 auto 0; height: 100vh; opacity: 0.5"));
  await toEnd(window, "#prompt-message");
  await window.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await unread(window).waitFor();
  assert.deepEqual(reports(window), []);
  await window.page.locator("footer").evaluate((it) => (it.style = ""));
  await window.page.locator("#prompt-message").evaluate((it) => (it.scrollTop = 0));
  await toEnd(window, "#prompt-message");
  assert.equal((await reported(window)).length, 1);
  await window.close();
});

test("neither names nor values of the details are squeezed", async () => {
  const window = await theatre.open();
  const row = (name, value) => ({ name, value, depth: 0 });
  for (const details of [
    [row("note", "x".repeat(1200)), row("dose", "5000 IU")],
    [row("dose", "5000 IU"), row("n".repeat(1200), "1")],
    [{ name: "items 1", value: null, depth: 0 }, row("dose", "5000 IU"), row("note", "x".repeat(1200))],
  ]) {
    await window.show(asked({ details }));
    const narrow = await window.page.evaluate(() =>
      [...document.querySelectorAll("#prompt-details :is(th, td)")].map((it) => it.getBoundingClientRect().width).filter((width) => width < 120),
    );
    assert.deepEqual(narrow, []);
  }
  await window.close();
});

test("a test by IT is marked, and no application's request is", async () => {
  const window = await theatre.open();
  await window.show(asked({}));
  assert.equal(await window.page.locator("#prompt-test").count(), 0);
  await window.show("prompt-test");
  assert.equal(await window.page.locator("#prompt-test").innerText(), "Test by IT");
  // The person's name is as prominent as the application's.
  const size = (id) => window.page.locator(id).evaluate((it) => [getComputedStyle(it).fontSize, getComputedStyle(it).fontWeight]);
  assert.deepEqual(await size("#prompt-user"), await size("#prompt-application"));
  await window.close();
});
