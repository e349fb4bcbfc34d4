// What is signed is read first: the security key is asked only after the end of the text and of the details was in view.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Prompt } from "./bindings";
import { act } from "./ipc";
import { t } from "./text";

type Part = "message" | "details";

/** Milliseconds for which a request that follows another is in view before the key is asked: a finger may still lie on it. */
const AFTER_ANOTHER = 1000;

/** When the last request, or the mark of its result, left the screen. */
let left = Number.NEGATIVE_INFINITY;

/** Whether the request has been in view for a while, if another one or its mark was there before. */
function useSettled(marked: boolean): boolean {
  const [settled, settle] = useState(false);
  const leave = () => void (left = performance.now());
  useEffect(() => leave, []);
  useEffect(() => {
    if (marked) return leave;
    const waiting = setTimeout(() => settle(true), Math.max(0, left + AFTER_ANOTHER - performance.now()));
    return () => clearTimeout(waiting);
  }, [marked]);
  return settled;
}

/** Watches what is read of a prompt, and reports it once all was. `marked` is whether the mark of a result covers it. */
export function useReading({ id, details, step }: Prompt, marked: boolean) {
  const settled = useSettled(marked);
  // None of a part that was not drawn yet.
  const [seen, set] = useState<Partial<Record<Part, boolean>>>({});
  const parts: Part[] = details.length > 0 ? ["message", "details"] : ["message"];
  const read = parts.every((part) => seen[part]);
  const preparing = step.kind === "preparing";
  useEffect(() => {
    // Again where the key is asked again.
    if (read && settled && preparing) void act({ do: "read", id });
  }, [read, settled, preparing]);
  const part = (name: Part) => (inView: boolean) => set((before) => (before[name] ? before : { ...before, [name]: inView }));
  return { unread: preparing && parts.some((part) => seen[part] === false), part };
}

type Box = { id: string; label: string; onEnd: (inView: boolean) => void; children: ComponentChildren };

/** A text from outside, whole: where it does not fit it scrolls, and says that there is more. */
export function Scrolled({ id, label, onEnd, children }: Box) {
  const box = useRef<HTMLDivElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const [more, tell] = useState(false);
  const look = () => {
    const it = box.current;
    if (it) tell(it.scrollTop + it.clientHeight < it.scrollHeight - 4);
  };
  useEffect(() => {
    const watch = new ResizeObserver(look);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => (end.current ? watchEnd(end.current, onEnd) : undefined), []);
  return (
    <div class="scrolled" data-more={more}>
      <div id={id} ref={box} class="message" dir="auto" role="region" aria-label={label} tabIndex={0} onScroll={look}>
        {children}
        <div class="end" ref={end} />
      </div>
      {more && (
        <p class="more" aria-hidden="true">
          {t("prompt-more")}
        </p>
      )}
    </div>
  );
}

/** Calls back whether the end of a text is in view: within its box and the window, and not below the footer. */
function watchEnd(end: Element, onEnd: (inView: boolean) => void): () => void {
  let inWindow = false;
  const look = () => onEnd(inWindow && !isCovered(end));
  const watch = new IntersectionObserver(
    (entries) => {
      inWindow = entries.at(-1)?.isIntersecting ?? false;
      look();
    },
    { threshold: 0.5 },
  );
  watch.observe(end);
  // The footer stays where it is while the page scrolls below it. A hidden page shows nothing of this.
  const scrolled = () => inWindow && look();
  addEventListener("scroll", scrolled, true);
  addEventListener("resize", scrolled);
  return () => {
    watch.disconnect();
    removeEventListener("scroll", scrolled, true);
    removeEventListener("resize", scrolled);
  };
}

function isCovered(end: Element): boolean {
  const footer = end.closest("article")?.querySelector("footer")?.getBoundingClientRect();
  const it = end.getBoundingClientRect();
  return footer !== undefined && it.bottom > footer.top && it.top < footer.bottom && it.right > footer.left && it.left < footer.right;
}
