// That what looks at the pages sees what is wrong: of a page on which everything is.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { keyboard, layout, rules } from "./look.mjs";
import { pseudo } from "./pseudo.mjs";
import { stage } from "./stage.mjs";

const WRONG = `<main data-page="wrong">
  <p id="wide"></p><p id="cut">A text that is cut after some words</p>
  <button id="tiny">x</button><button id="blind" tabindex="0"></button><input id="nameless">
  <button id="pale">Pale</button><button id="broken">Declining</button>
  <p id="grey">Grey on grey</p>
</main>`;
const STYLE = `#wide { width: 900px; height: 1px } #cut { width: 4em; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
  main #tiny { min-width: 0; min-height: 0; padding: 0; width: 20px; height: 20px } #blind { width: 50px; height: 50px; outline: none } #grey { color: #999; background: #aaa }
  #broken { width: 50px; height: 90px; padding: 0; overflow-wrap: anywhere }
  #pale { width: 60px; height: 60px } #pale:focus { outline: 3px solid #eee }
  body { background: #fff } #nameless { width: 60px; height: 60px }`;

let theatre;
before(async () => (theatre = await stage()));
after(() => theatre.end());

async function wrongPage() {
  const window = await theatre.open();
  await window.show("status-healthy");
  await window.page.evaluate(
    ([html, css]) => {
      document.body.innerHTML = html;
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      document.adoptedStyleSheets = [sheet];
    },
    [WRONG, STYLE],
  );
  return window;
}

const says = (found, wanted) => {
  for (const it of wanted) assert.ok(found.some((text) => text.includes(it)), `${it} is not in ${JSON.stringify(found, null, 1)}`);
};

test("rules that are broken are seen", async () => {
  const window = await wrongPage();
  says(await rules(window.page), ["button-name: #blind", "label: #nameless", "color-contrast: #grey", "page-has-heading-one"]);
  await window.close();
});

test("what does not fit is seen", async () => {
  const window = await wrongPage();
  says(await layout(window.page), ["wide in 520", "p#cut may be cut", "p#cut holds", "button#tiny is 20 × 20", "p#wide reaches out", "button#broken breaks the word Declining"]);
  await window.close();
});

test("a keyboard that gets lost is seen", async () => {
  const window = await wrongPage();
  await window.page.evaluate(() => document.querySelector("#tiny").setAttribute("tabindex", "-1"));
  says(await keyboard(window.page), ["button#blind does not show", "button#pale shows its focus with a contrast of 1", "Tab stops at"]);
  await window.close();
});

test("what is refused and what fails is seen", async () => {
  const window = await theatre.open();
  await window.show("status-healthy");
  await window.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'obeyed'";
    document.head.append(script);
    setTimeout(() => { throw new Error("thrown"); });
    void fetch("http://127.0.0.1:9/").catch(() => {});
  });
  await window.page.waitForFunction(() => true);
  says(window.wrong, ["Content Security Policy", "thrown", "connect-src"]);
  assert.notEqual(await window.page.title(), "obeyed");
  await window.close();
});

test("the language that nobody speaks is longer, and has each message", async () => {
  const english = await readFile(new URL("../locales/en.ftl", import.meta.url), "utf8");
  const made = pseudo(english);
  const ids = (text) => text.match(/^[a-z][\w-]* =/gm);
  const filled = (text) => text.match(/\$\w+/g);
  assert.deepEqual(ids(made), ids(english));
  assert.deepEqual(filled(made).sort(), filled(english).sort());
  const values = (text) => text.match(/(?<= = |\] ).*[^>]$/gm);
  const longer = values(made);
  values(english).forEach((text, at) => {
    const words = text.replaceAll(/\{[^}]*\}/g, "");
    if (/\p{L}/u.test(words)) assert.ok(longer[at].length >= text.length * 1.4, `${text}: ${longer[at]}`);
  });
});
