// A result that needs no reading, or that another request follows: it covers everything for a moment, whatever page is
// below.
import { useEffect } from "preact/hooks";
import { announce } from "./announce";
import type { View } from "./bindings";
import { Mark } from "./icons";
import { t } from "./text";
import { play } from "./tone";

export function FlashOverlay({ view: { flash, settings, volume } }: { view: View }) {
  useEffect(() => {
    if (!flash) return;
    announce(t(`end-${flash.end}`));
    if (settings.tones) play(flash.end, volume);
  }, [flash?.number]);
  const brief = flash?.end === "approved" || flash?.end === "declined";
  if (!flash || (brief && !settings.checkMark)) return null;
  return (
    <div id="flash" class={flash.end} data-end={flash.end} aria-hidden="true">
      <Mark end={flash.end} />
      <p>{t(`end-${flash.end}`)}</p>
      {!brief && <p class="next">{t("flash-next")}</p>}
    </div>
  );
}

/** Plays the tone of an end that stays on the screen, once. */
export function useEndTone(view: View): void {
  const { prompt, settings, volume } = view;
  const end = prompt?.step.kind === "ended" ? prompt.step.end : null;
  useEffect(() => {
    if (end && settings.tones) play(end, volume);
  }, [prompt?.id, end]);
}
