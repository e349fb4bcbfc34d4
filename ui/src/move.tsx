// The handle by which a prompt is moved out of the way: with the pointer, a finger or the keyboard.
import { useRef } from "preact/hooks";
import type { Moving } from "./bindings";
import { pressCounts } from "./gate";
import { MoveIcon } from "./icons";
import { act } from "./ipc";
import { t } from "./text";

/** A finger that trembles does not drag, in pixels. */
const SLACK = 8;
const KEYS: Record<string, Moving["by"]> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

const move = (way: Moving) => void act({ do: "move", way });

/** Said where the prompt covers what the person works in. */
export function MoveHint() {
  return (
    <p id="move-hint" class="note">
      {t("move-hint")}
    </p>
  );
}

export function MoveHandle() {
  const from = useRef<PointerEvent | null>(null);
  const to = useRef({ x: 0, y: 0 });
  const dragging = useRef(false);
  const waiting = useRef(0);
  const down = (event: PointerEvent) => {
    dragging.current = false;
    if (!pressCounts() || event.button !== 0) return;
    from.current = event;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
  };
  const over = (event: PointerEvent) => {
    const begun = from.current;
    if (begun === null || event.pointerId !== begun.pointerId) return;
    // On the screen: the window goes with the pointer.
    to.current = { x: Math.round(event.screenX - begun.screenX), y: Math.round(event.screenY - begun.screenY) };
    if (!dragging.current && Math.hypot(to.current.x, to.current.y) < SLACK) return;
    if (!dragging.current) move({ by: "grab" });
    dragging.current = true;
    waiting.current ||= requestAnimationFrame(() => {
      waiting.current = 0;
      move({ by: "drag", ...to.current });
    });
  };
  const up = () => {
    if (from.current !== null && dragging.current) {
      cancelAnimationFrame(waiting.current);
      waiting.current = 0;
      move({ by: "drag", ...to.current });
      move({ by: "drop" });
    }
    from.current = null;
  };
  const key = (event: KeyboardEvent) => {
    const by = KEYS[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move({ by } as Moving);
  };
  return (
    <button
      type="button"
      id="move"
      aria-label={t("move-handle")}
      onPointerDown={down}
      onPointerMove={over}
      onPointerUp={up}
      onPointerCancel={up}
      onKeyDown={key}
      onClick={() => dragging.current || move({ by: "other-side" })}
    >
      <MoveIcon />
    </button>
  );
}
