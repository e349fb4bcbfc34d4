// British and American English: one spelling and one form of dates in each.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stage } from "./stage.mjs";

let theatre;
before(async () => (theatre = await stage()));
after(() => theatre.end());

/** What the pages say in a language, on a system that is set to a locale. */
async function said(language, locale) {
  const window = await theatre.open({ language, locale });
  await window.show("status-healthy");
  const reported = await window.page.locator("#device-reported").textContent();
  await window.change("about");
  const about = await window.page.locator("main").textContent();
  await window.close();
  return { reported, about };
}

for (const [language, locale, organisation, date] of [
  ["en", "en-GB", /organisation/, /23 Nov 2026/],
  ["en", "en-AU", /organisation/, /23 Nov 2026/],
  // A session without a language has the browser's own, which is American.
  ["en", "en-US", /organisation/, /23 Nov 2026/],
  ["en-US", "en-US", /organization/, /Nov 23, 2026/],
]) {
  test(`${language} on a system of ${locale}`, async () => {
    const { reported, about } = await said(language, locale);
    assert.match(about, organisation);
    assert.match(reported, date);
  });
}
