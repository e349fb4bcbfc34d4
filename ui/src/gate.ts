// Which presses count. A prompt comes up while the person types and clicks elsewhere, and buttons come and go: a press is
// an answer only if it began on that button, after the page had stood still for a while.

/** Milliseconds without a change of layout before a press counts; the same as QUIET_TIME in platform/desktop. */
const QUIET = 700;
/** Milliseconds after a key that was meant for something else before a key presses a button. */
const CALM = 1000;
/** Milliseconds without any key before a field that takes the keyboard by itself accepts input. */
const STILL = 500;

/** Pixels by which a button may move without being elsewhere. */
const SLACK = 8;

/** Milliseconds after which a change is taken to be on the screen. */
const NO_FRAME = 300;

type Press = { on: Element | null; counts: boolean };

let timer = 0;
/** When the page began to stand still, in the time of events; later than now until what has changed is on the screen. */
let since = Number.POSITIVE_INFINITY;
/** The newest change. */
let latest: object | null = null;
let press: Press | null = null;
let typed = Number.NEGATIVE_INFINITY;
let lastKey = "";
/** Where each button was when one last came, went or moved, or the page was scrolled. */
let places = new Map<Element, DOMRect>();
/** When a button moved last. It still has the keyboard, so this holds up the pointer only. */
let moved = Number.NEGATIVE_INFINITY;

const control = (target: EventTarget | null) => (target instanceof Element ? target.closest("button, summary, input, textarea") : null);
const isField = (it: Element | null) => it !== null && it.matches("input:not([readonly]), textarea");
/** At the time of the event, not of its handling: a busy machine may handle a press much later. */
const isQuiet = (at: number) => at - since < QUIET;
const isPointerQuiet = (at: number) => isQuiet(at) || at - moved < QUIET;
const isCalm = (at: number) => !isQuiet(at) && at - typed >= CALM;

/** From now on presses do not count for a while, including one that has begun. */
function changed(): void {
  since = Number.POSITIVE_INFINITY;
  if (press) press.counts = false;
  // A task after the next frame starts when that frame has been drawn.
  const begun = {};
  latest = begun;
  const drawn = () => latest === begun && since === Number.POSITIVE_INFINITY && still(performance.now());
  requestAnimationFrame(() => setTimeout(drawn));
  // Where there is nothing to draw there may be no frame.
  setTimeout(drawn, NO_FRAME);
  mark();
}

/** The window has moved under the pointer. */
export const windowMoved = changed;

const buttonPlaces = () => new Map([...document.querySelectorAll("button")].map((it) => [it as Element, it.getBoundingClientRect()]));

const isNear = (a: DOMRect, b: DOMRect) =>
  [a.left - b.left, a.top - b.top, a.right - b.right, a.bottom - b.bottom].every((by) => Math.abs(by) <= SLACK);

/** Looks where the buttons are: a text that comes or goes moves those below it. Small moves add up until they count. */
function look(): void {
  const [before, now] = [places, buttonPlaces()];
  const same = now.size === before.size && [...now.keys()].every((it) => before.has(it));
  if (same && [...now].every(([it, place]) => isNear(place, before.get(it) ?? place))) return;
  places = now;
  if (!same) return changed();
  moved = performance.now();
  mark();
}

/** The page stands still from this time on. */
function still(at: number): void {
  since = at;
  mark();
}

/** Marks the page while presses do not count. */
function mark(): void {
  document.documentElement.setAttribute("data-quiet", "");
  clearTimeout(timer);
  if (since !== Number.POSITIVE_INFINITY) timer = setTimeout(() => document.documentElement.removeAttribute("data-quiet"), QUIET);
}

/** Watches the page, from before it is first drawn. */
export function watchPresses(): void {
  changed();
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
  // The person's own act, after which they look where they press.
  addEventListener("scroll", () => (places = buttonPlaces()), { capture: true, passive: true });
  for (const event of ["resize", "visibilitychange"] as const) addEventListener(event, changed, true);
  addEventListener("pointerdown", onPointer, true);
  addEventListener("keydown", onKey, true);
  addEventListener("click", onClick, true);
}

/** A press that does not count shows that the person is still at something else. */
function onPointer(event: PointerEvent): void {
  press = { on: control(event.target), counts: !isPointerQuiet(event.timeStamp) };
  if (!press.counts && since !== Number.POSITIVE_INFINITY) still(event.timeStamp);
}

function onKey(event: KeyboardEvent): void {
  lastKey = event.key;
  const on = control(event.target);
  const field = isField(on);
  if (event.key === "Enter" || event.key === " ") {
    // A key that is held down goes on with the press that it began.
    if (event.repeat && press?.on === on) return;
    press = { on, counts: (field ? !isQuiet(event.timeStamp) : isCalm(event.timeStamp)) && !event.repeat };
    if (on === null) typed = event.timeStamp;
  } else if (event.key.length === 1 && !field) {
    typed = event.timeStamp;
  }
}

/** Lets a click through if it is an answer. One without a press and without a pointer comes from an assistive program. */
function onClick(event: MouseEvent): void {
  const on = control(event.target);
  if (on === null || on.matches("input, textarea")) return;
  // Enter in a field presses its form's button.
  const begun = press !== null && (press.on === on || (isField(press.on) && event.detail === 0 && press.on?.closest("form") === on.closest("form")));
  const counts = press === null ? event.detail === 0 && !isQuiet(event.timeStamp) : begun && press.counts;
  press = null;
  if (counts) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

/** Whether the press that is under way counts. */
export const pressCounts = (): boolean => press?.counts ?? false;

/** Whether the person has come here with the Tab key, and not in the midst of a text that is meant for another window. */
export const cameByTab = (): boolean => lastKey === "Tab" && isCalm(performance.now());

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
