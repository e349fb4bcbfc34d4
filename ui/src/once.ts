import { useRef } from "preact/hooks";

/**
 * What is pressed twice is done once, for as long as the screen is in this state. The second half of a double click does
 * nothing at all: by then something else may stand under the pointer, and it would be its answer.
 */
export function useOnce(state: string): (what: () => unknown) => (event: MouseEvent) => void {
  const done = useRef<string | null>(null);
  return (what) => (event) => {
    if (event.detail > 1 || done.current === state) return;
    done.current = state;
    what();
  };
}
