// What is wrong with the page that is shown, as a list of sentences. Empty when nothing is.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** By axe-core. */
export async function rules(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), TAGS);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
}

/** What does not fit: the page is not scrolled sideways, no text is cut or leaves its box, all that is clicked is large. */
export function layout(page) {
  return page.evaluate(() => {
    const wrong = [];
    const name = (it) => `${it.localName}${it.id && `#${it.id}`}${it.classList.length ? `.${[...it.classList].join(".")}` : ""}`;
    const root = document.documentElement;
    /** The words of it that stand in two lines. */
    const words = (it) => {
      const found = [];
      const texts = document.createTreeWalker(it, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        for (const { 0: word, index } of text.data.matchAll(/\p{L}+/gu)) {
          // A hyphen that stands where a word may break belongs to what follows it.
          const line = (at) => {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at + 1);
            return Math.round([...range.getClientRects()].at(-1)?.top ?? 0);
          };
          if (line(index) !== line(index + word.length - 1)) found.push(word);
        }
      }
      return found;
    };
    if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
    if (!document.body.innerText.trim()) wrong.push("the page is blank");
    for (const it of document.body.querySelectorAll("*")) {
      if (!it.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const box = it.getBoundingClientRect();
      // For screen readers only.
      if (box.width <= 1 && box.height <= 1) continue;
      const style = getComputedStyle(it);
      const says = [...it.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (says && (style.textOverflow !== "clip" || style.webkitLineClamp !== "none")) wrong.push(`${name(it)} may be cut`);
      if (style.display !== "inline" && !(it instanceof SVGElement)) {
        const cuts = (overflow) => overflow === "hidden" || overflow === "clip";
        if ((says || cuts(style.overflowX)) && it.scrollWidth > it.clientWidth + 1) {
          wrong.push(`${name(it)} holds ${it.scrollWidth} in a width of ${it.clientWidth}`);
        }
        if (cuts(style.overflowY) && it.scrollHeight > it.clientHeight + 1) {
          wrong.push(`${name(it)} holds ${it.scrollHeight} in a height of ${it.clientHeight}`);
        }
      }
      if (box.right > root.clientWidth + 1 || box.left < -1) wrong.push(`${name(it)} reaches out of the window`);
      if (it.matches("button, input, select, textarea, summary, a[href], [role=button]")) {
        // A link in a sentence is as high as the sentence.
        const within = it.localName === "a" && style.display === "inline";
        for (const word of words(it)) wrong.push(`${name(it)} breaks the word ${word}`);
        if (!within && (box.width < 48 || box.height < 48)) {
          wrong.push(`${name(it)} is ${box.width} × ${box.height} large`);
        }
      }
    }
    return wrong;
  });
}

/** By the Tab key alone: all that can be clicked is reached, in the page's order, seen, and not covered. */
export async function keyboard(page) {
  const wanted = await page.evaluate(() => {
    const all = document.querySelectorAll("button, input, select, textarea, summary, a[href], [tabindex='0']");
    window.stops = [...all].filter((it) => !it.disabled && it.checkVisibility({ visibilityProperty: true }));
    // From the beginning, wherever the page has put it.
    document.body.tabIndex = -1;
    document.body.focus({ preventScroll: true });
    return window.stops.length;
  });
  const [wrong, seen] = [[], []];
  // What scrolls is a stop as well.
  for (let presses = 0; presses < 2 * wanted + 8; presses += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(look);
    if (stop === null || seen.includes(stop.place)) break;
    if (stop.place >= 0) seen.push(stop.place);
    wrong.push(...stop.wrong);
  }
  const order = [...Array(wanted).keys()];
  if (`${seen}` !== `${order}`) wrong.push(`Tab stops at ${seen}, not at each of ${wanted} in order`);
  return wrong;
}

/** In the page: where the keyboard is, and whether a person sees it. */
function look() {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const wrong = [];
  const name = `${it.localName}#${it.id}`;
  const style = getComputedStyle(it);
  const [r, g, b, a = 1] = style.outlineColor.match(/[\d.]+/g).map(Number);
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 || a === 0) {
    wrong.push(`${name} does not show that it is in focus`);
  } else {
    // The outline lies on what is around it, or within it where it is drawn inwards.
    let under = parseFloat(style.outlineOffset) < 0 ? it : it.parentElement;
    const clear = (el) => /rgba\(.*, 0\)|transparent/.test(getComputedStyle(el).backgroundColor);
    while (under.parentElement && clear(under)) under = under.parentElement;
    const ground = getComputedStyle(under).backgroundColor.match(/[\d.]+/g).map(Number).slice(0, 3);
    const light = (rgb) =>
      rgb.reduce((sum, v, i) => {
        const c = v / 255;
        return sum + [0.2126, 0.7152, 0.0722][i] * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      }, 0);
    const [one, two] = [light([r, g, b]), light(ground)].sort((x, y) => y - x);
    const contrast = (one + 0.05) / (two + 0.05);
    if (!clear(under) && contrast < 3) wrong.push(`${name} shows its focus with a contrast of ${contrast.toFixed(2)}`);
  }
  const box = it.getBoundingClientRect();
  const [top, bottom] = [Math.max(0, box.top), Math.min(innerHeight, box.bottom)];
  const there = document.elementFromPoint(box.left + box.width / 2, (top + bottom) / 2);
  if (!there || !(it.contains(there) || there.contains(it))) wrong.push(`${name} is covered while it is in focus`);
  return { place: window.stops.indexOf(it), wrong };
}

/** What a person reads, piece by piece: texts, and what only screen readers say. */
export function texts(page) {
  return page.evaluate(() => {
    const found = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) found.push(node.data);
      else for (const name of ["aria-label", "title", "placeholder", "alt", "aria-description", "aria-valuetext"]) found.push(node.getAttribute(name));
    }
    return found.filter((it) => it?.trim());
  });
}
