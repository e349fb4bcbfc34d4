// What a screen reader says without being asked. The regions stand from the start, so that they are heard.
import { useEffect } from "preact/hooks";

/** So long it can be read back; after that nothing of it is left in the page. */
const STANDS = 5000;
let timer = 0;

/** Says this: when there is a pause, or at once. */
export function announce(text: string, at: "polite" | "assertive" = "polite"): void {
  const region = document.getElementById(`say-${at}`);
  if (!region) return;
  // A text that stands there already would not be heard again.
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
  clearTimeout(timer);
  timer = setTimeout(hush, STANDS);
}

function hush(): void {
  for (const at of ["polite", "assertive"]) document.getElementById(`say-${at}`)?.replaceChildren();
}

/** Where it is said. */
export function Announcer() {
  useEffect(() => hush, []);
  return (
    <>
      <div id="say-polite" class="unseen" role="status" />
      <div id="say-assertive" class="unseen" role="alert" />
    </>
  );
}
