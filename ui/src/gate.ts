// Which presses count. A prompt comes up while the person types and clicks elsewhere, and buttons come and go: a press is
// an answer only if it began on that button, after the page had stood still for a while.

/** Milliseconds without a change of layout before a press counts; the same as QUIET_TIME in platform/desktop. */
const QUIET = 700;
/** Milliseconds after a key that was meant for something else before a key presses a button. */
const CALM = 1000;
/** Milliseconds without any key before a field that takes the keyboard by itself accepts input. */
const STILL = 500;

type Press = { on: Element | null; counts: boolean };

let timer = 0;
let press: Press | null = null;
let typed = Number.NEGATIVE_INFINITY;
let lastKey = "";

const control = (target: EventTarget | null) => (target instanceof Element ? target.closest("button, summary, input, textarea") : null);
const isField = (it: Element | null) => it !== null && it.matches("input:not([readonly]), textarea");
const isQuiet = () => document.documentElement.hasAttribute("data-quiet");
const isCalm = () => !isQuiet() && performance.now() - typed >= CALM;

/** From now on presses do not count for a while, including one that has begun. */
function changed(): void {
  document.documentElement.setAttribute("data-quiet", "");
  if (press) press.counts = false;
  clearTimeout(timer);
  timer = setTimeout(() => document.documentElement.removeAttribute("data-quiet"), QUIET);
}

/** Watches the page, from before it is first drawn. */
export function watchPresses(): void {
  changed();
  // Each button that comes or goes moves what is under a finger.
  const moved = (nodes: NodeList) => [...nodes].some((it) => it instanceof Element && (it.matches("button") || it.querySelector("button")));
  new MutationObserver((found) => {
    if (found.some((it) => moved(it.addedNodes) || moved(it.removedNodes))) changed();
  }).observe(document.body, { childList: true, subtree: true });
  for (const event of ["resize", "visibilitychange"] as const) addEventListener(event, changed, true);
  addEventListener("pointerdown", onPointer, true);
  addEventListener("keydown", onKey, true);
  addEventListener("click", onClick, true);
}

/** A press that does not count shows that the person is still at something else. */
function onPointer(event: PointerEvent): void {
  press = { on: control(event.target), counts: !isQuiet() };
  if (!press.counts) changed();
}

function onKey(event: KeyboardEvent): void {
  lastKey = event.key;
  const on = control(event.target);
  const field = isField(on);
  if (event.key === "Enter" || event.key === " ") {
    press = { on, counts: (field ? !isQuiet() : isCalm()) && !event.repeat };
    if (on === null) typed = performance.now();
  } else if (event.key.length === 1 && !field) {
    typed = performance.now();
  }
}

/** Lets a click through if it is an answer. One without a press comes from an assistive program. */
function onClick(event: MouseEvent): void {
  const on = control(event.target);
  if (on === null || on.matches("input, textarea")) return;
  // Enter in a field presses its form's button.
  const begun = press !== null && (press.on === on || (isField(press.on) && event.detail === 0 && press.on?.closest("form") === on.closest("form")));
  const counts = press === null ? !isQuiet() : begun && press.counts;
  press = null;
  if (counts) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

/** Whether the press that is under way counts. */
export const pressCounts = (): boolean => press?.counts ?? false;

/** Whether the person has come here with the Tab key, and not in the midst of a text that is meant for another window. */
export const cameByTab = (): boolean => lastKey === "Tab" && isCalm();

/** Calls back when no key has been pressed for a while; the result cancels it. */
export function afterKeys(then: () => void): () => void {
  let waiting = setTimeout(end, STILL);
  const again = () => {
    clearTimeout(waiting);
    waiting = setTimeout(end, STILL);
  };
  function end() {
    cancel();
    then();
  }
  function cancel() {
    clearTimeout(waiting);
    removeEventListener("keydown", again, true);
  }
  addEventListener("keydown", again, true);
  return cancel;
}
