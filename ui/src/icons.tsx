// Drawings. Each state has a distinct shape beside its text, so that no information depends on colour alone.
import type { PromptResult, Step, Tone } from "./bindings";

const SHAPES: Record<Tone, { outline: string; sign: string }> = {
  good: { outline: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21Z", sign: "m7.2 12.4 3.3 3.2 6.3-6.9" },
  attention: {
    outline: "M10.1 2.6a2.2 2.2 0 0 1 3.8 0l9 15.9a2.2 2.2 0 0 1-1.9 3.3H3a2.2 2.2 0 0 1-1.9-3.3Z",
    sign: "M12 8.3v5.4m0 3.7v.1",
  },
  blocked: { outline: "M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9Z", sign: "M7 12h10" },
  unknown: { outline: "M12 1.5 22.5 12 12 22.5 1.5 12Z", sign: "M9.6 9.8a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.2.8-1.2 1.7m0 2.9v.1" },
};

const SQUARE = "M3 1.500h18A1.500 1.500 0 0 1 22.500 3v18a1.500 1.500 0 0 1-1.500 1.500H3A1.500 1.500 0 0 1 1.500 21V3A1.500 1.500 0 0 1 3 1.500Z";
const CROSS = "m7.500 7.500 9 9m0-9-9 9";
/** To another place. */
const ARROW = "M6.500 12h11m-4.500-4.500 4.500 4.500-4.500 4.500";

/** How something looks at a glance. */
export function Shape({ tone, large = false }: { tone: Tone; large?: boolean }) {
  return (
    <svg class={`shape ${tone} ${large ? "large" : ""}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="outline" d={SHAPES[tone].outline} />
      <path class="sign" d={SHAPES[tone].sign} />
    </svg>
  );
}

/** How a request ended, at a glance from an arm's length. */
export function Mark({ end, as = "mark" }: { end: PromptResult; as?: string }) {
  const { outline, sign } = end === "approved" ? SHAPES.good : { outline: SQUARE, sign: end === "superseded" ? ARROW : CROSS };
  return (
    <svg class={as} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="outline" d={outline} />
      <path class="sign" d={sign} />
    </svg>
  );
}

/** Moves something in each direction. */
export function MoveIcon() {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M12 2.500v19M2.500 12h19M9 5.500l3-3 3 3M9 18.500l3 3 3-3M5.500 9l-3 3 3 3M18.500 9l3 3-3 3" />
    </svg>
  );
}

/** Time left, as what is left of a ring. */
export function Ring({ left }: { left: number }) {
  return (
    <svg class="ring" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <circle class="whole" cx="24" cy="24" r="21" />
      <circle class="rest" cx="24" cy="24" r="21" pathLength="100" stroke-dasharray={`${Math.round(left * 100)} 100`} />
    </svg>
  );
}

/** A security key and what to do with it, or what it does. */
export function KeyPicture({ step }: { step: Step["kind"] }) {
  return (
    <svg class={`picture ${step}`} viewBox="-20 0 220 108" aria-hidden="true" focusable="false">
      <path class="machine" d="M14 10h36a10 10 0 0 1 10 10v68a10 10 0 0 1-10 10H14A10 10 0 0 1 4 88V20a10 10 0 0 1 10-10Z" />
      <path class="line" d="M18 28h24M18 40h16" />
      <path class="port" d="M55 42h8v24h-8z" />
      <g class="key">
        <path class="plug" d="M62 44h26v20H62z" />
        <path class="body" d="M90 31h62a23 23 0 0 1 0 46H90a6 6 0 0 1-6-6V37a6 6 0 0 1 6-6Z" />
        <circle class="hole" cx="156" cy="54" r="6" />
        <circle class="wave" cx="118" cy="54" r="14" />
        <circle class="spot" cx="118" cy="54" r="13" />
      </g>
      {step === "touch" && (
        <path class="finger" d="M105 107V68a13 13 0 0 1 26 0v39M111.500 65a8 8 0 0 1 13 0" />
      )}
      {step === "insert" && <path class="hint" d="M88 16H66m9-8-9 8 9 8" />}
      {(step === "working" || step === "checking" || step === "preparing") && (
        <path class="pulse" d="M66 92h28l7-12 10 24 8-18 4 6h53" />
      )}
    </svg>
  );
}

export function EraseIcon() {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M8.500 5H20a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H8.500L2 12Zm3 4 6 6m0-6-6 6" />
    </svg>
  );
}

export function PadIcon() {
  return (
    <svg class="icon dotted" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M5 5v.1M12 5v.1M19 5v.1M5 12v.1M12 12v.1M19 12v.1M5 19v.1M12 19v.1M19 19v.1" />
    </svg>
  );
}

export function FlagIcon() {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M5 22V3m0 1c5-3 8 3 14 0v10c-6 3-9-3-14 0" />
    </svg>
  );
}
