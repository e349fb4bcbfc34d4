// Every text stands in the language files, and every text in them is shown somewhere.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { ids, literals } from "./literals.mjs";

const FOLDER = new URL("../src/", import.meta.url);
const names = (await readdir(FOLDER, { recursive: true })).filter((it) => /(?<!bindings)\.tsx?$/.test(it));
const code = Object.fromEntries(await Promise.all(names.map(async (it) => [it, await readFile(new URL(it, FOLDER), "utf8")])));
const english = await readFile(new URL("../locales/en.ftl", import.meta.url), "utf8");
const there = english.match(/^[a-z][\w-]*(?= =)/gm);

test("no text stands in the code", () => {
  assert.ok(names.length > 10);
  const found = names.flatMap((name) => literals(code[name]).map((it) => `${name}: ${it}`));
  assert.deepEqual(found, []);
});

test("text in code is seen", () => {
  const wrong = (body) => literals(`const a = (b: string) => ${body};`);
  const cases = [
    ["<p>Hello</p>", "Hello"],
    ["<p>{t(\"a\")} and more</p>", "and more"],
    ["<p>{b ? \"Yes\" : t(\"no\")}</p>", "Yes"],
    ["<>{b && `Some ${b}`}</>", "Some "],
    ["<p>{b + \" keys\"}</p>", " keys"],
    ["<button aria-label=\"Erase\" />", "Erase"],
    ["<input placeholder={b || \"Name\"} />", "Name"],
  ];
  for (const [body, text] of cases) assert.deepEqual(wrong(body), [text], body);
  const fine = "<p id=\"x\" class={`a ${b}`} aria-labelledby=\"y\">{t(\"a\")}: {b} – {t(`a-${b}`)}{\" \"}<br /></p>";
  assert.deepEqual(wrong(fine), []);
});

test("every text that is named is there", () => {
  for (const name of names) {
    const { whole, begun } = ids(code[name]);
    assert.deepEqual(whole.filter((id) => !there.includes(id)), [], name);
    assert.deepEqual(begun.filter((start) => !there.some((id) => id.startsWith(start))), [], name);
  }
});

test("every text is shown somewhere", async () => {
  const rust = new URL("../../src-tauri/src/", import.meta.url);
  const files = (await readdir(rust, { recursive: true })).filter((it) => it.endsWith(".rs") && it !== "language.rs");
  const outside = (await Promise.all(files.map((it) => readFile(new URL(it, rust), "utf8")))).join("\n");
  // Remedies are chosen by check and reason there.
  const remedies = await readFile(new URL("../../protocol/src/check/texts.rs", import.meta.url), "utf8");
  const used = Object.values(code).map(ids);
  const whole = new Set(used.flatMap((it) => it.whole));
  const begun = [...new Set(used.flatMap((it) => it.begun))];
  assert.deepEqual(begun.filter((start) => start.length < 3), [], "an id of which nothing is known");
  const shown = (id) => {
    const general = id.startsWith("remedy-") && remedies.includes(`"${id.slice("remedy-".length)}"`);
    const inRust = general || outside.includes(`"${id}"`) || (id.startsWith("tray-") && outside.includes(`"${id.slice("tray-".length)}"`));
    // Ids that are put together, and those that are chosen elsewhere than where they are shown.
    return whole.has(id) || begun.some((start) => id.startsWith(start)) || inRust || Object.values(code).some((it) => it.includes(`"${id}"`));
  };
  assert.deepEqual(there.filter((id) => !shown(id)), []);
});
