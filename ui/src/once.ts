import { useRef } from "preact/hooks";

/** Milliseconds after which a press in the same state is a new one: the state may have come back undrawn. */
const ANOTHER_PRESS = 2000;

/**
 * What is pressed twice is done once, for as long as the screen is in this state. The second half of a double click does
 * nothing at all: by then something else may stand under the pointer, and it would be its answer.
 */
export function useOnce(state: string): (what: () => unknown) => (event: MouseEvent) => void {
  const done = useRef<{ state: string; at: number } | null>(null);
  // A state that comes again, as a second failure does, can be answered again.
  if (done.current?.state !== state) done.current = null;
  return (what) => (event) => {
    const { current } = done;
    if (event.detail > 1 || (current && event.timeStamp - current.at < ANOTHER_PRESS)) return;
    done.current = { state, at: event.timeStamp };
    what();
  };
}
