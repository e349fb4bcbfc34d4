// The single place that touches Tauri.
import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Action, DiagnosticsSent, DiagnosticsText, Texts, View } from "./bindings";

export const texts = () => invoke<Texts>("texts");
export const diagnostics = () => invoke<DiagnosticsText>("diagnostics");
export const sendDiagnostics = (text: string) => invoke<DiagnosticsSent>("send_diagnostics", { text });
export const act = (action: Action) => invoke<void>("act", { action });

/** The organisation's logo; null without one. */
export async function logo(): Promise<ImageData | null> {
  const bytes = new Uint8Array(await invoke<ArrayBuffer>("logo"));
  const [high, low] = bytes;
  if (high === undefined || low === undefined) return null;
  return new ImageData(new Uint8ClampedArray(bytes.subarray(2)), high * 256 + low);
}

/** Hands a PIN over to the question that asked for it, once, as bytes, and overwrites them. */
export async function enterPin(question: number, pin: string): Promise<void> {
  const bytes = new TextEncoder().encode(pin);
  try {
    await invoke<void>("enter_pin", bytes, { headers: { question: `${question}` } });
  } finally {
    bytes.fill(0);
  }
}

/** Delivers the current view and each later one, and says when the window has moved. */
export async function watch(show: (view: View) => void, moved: () => void): Promise<void> {
  await listen("moved", moved);
  let newer = false;
  await listen<View>("view", (event) => {
    newer = true;
    show(event.payload);
  });
  const first = await invoke<View>("view");
  // One that came meanwhile is newer.
  if (!newer) show(first);
  // Until now the window has shown the splash. A task after the next frame starts when that frame has been drawn.
  requestAnimationFrame(() => setTimeout(() => void act({ do: "drawn" })));
}
