// What to do with the security key now: large words, a picture, and the PIN's field where one is asked for.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Step } from "./bindings";
import { TroubleNote } from "./ended";
import { KeyPicture } from "./icons";
import { act } from "./ipc";
import { useOnce } from "./once";
import { PinForm } from "./pin";
import { t } from "./text";

/** After so long without an answer to the tap the person is told, in milliseconds. */
const PATIENCE = 5_000;

/** `id` is that of the step-up; a registration cannot be tried again. */
type Progress = { id?: string; step: Step; preparing: string; unread?: boolean };

/** How far it is, while it goes on. */
export function Live({ id, step, preparing, unread = false }: Progress) {
  const once = useOnce(step.kind);
  const picture = useRoom();
  const late = useLate(step.kind === "checking");
  return (
    <section ref={useInSight(late ? "late" : step.kind)} class={`live ${step.kind}`} data-unread={unread} aria-labelledby="step-title">
      <div ref={picture}>
        <KeyPicture step={step.kind} />
      </div>
      <div class="words" role="status">
        <h2 id="step-title">{unread ? t("step-read") : title(step)}</h2>
        <p id="step-next">{late ? t("step-checking-late") : next(step, preparing)}</p>
      </div>
      {step.kind === "failed" && id !== undefined && (
        <>
          <TroubleNote trouble={step.trouble} />
          <button type="button" id="try-again" class="primary" onClick={once(() => act({ do: "try-again", id }))}>
            {t("try-again")}
          </button>
        </>
      )}
      {step.kind === "pin" && <PinForm key={`${step.question} ${step.why}`} asked={step} />}
    </section>
  );
}

/** Scrolls to what the person does now, if the footer would cover it. What was read first may be out of sight by then. */
export function useInSight(state: string) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    // What is still to be read comes before it.
    if (state !== "preparing") ref.current?.scrollIntoView({ block: "nearest" });
  }, [state]);
  return ref;
}

/** Whether something has gone on for longer than a person waits without a word. */
function useLate(goesOn: boolean): boolean {
  const [late, set] = useState(false);
  useEffect(() => {
    if (!goesOn) return;
    const timer = setTimeout(() => set(true), PATIENCE);
    return () => {
      clearTimeout(timer);
      set(false);
    };
  }, [goesOn]);
  return late;
}

/** Hides the drawing where the page or the text of the transaction would need a scroll bar beside it. */
function useRoom() {
  const ref = useRef<HTMLDivElement>(null);
  const look = () => {
    const [it, root] = [ref.current, document.documentElement];
    if (!it) return;
    it.hidden = false;
    const cut = (box: Element) => box.scrollHeight > box.clientHeight + 1;
    it.hidden = [root, ...document.querySelectorAll(".message")].some(cut);
  };
  useLayoutEffect(look);
  useEffect(() => {
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, []);
  return ref;
}

function title(step: Step): string {
  if (step.kind === "touch" && step.keys > 1) return t("step-touch-several", { keys: step.keys });
  if (step.kind !== "pin") return t(`step-${step.kind}`);
  if (step.why === "needed") return t("step-pin");
  if (step.why === "change" || step.why === "former") return t(`step-pin-${step.why}`);
  return t(step.why === "wrong" ? "step-pin-again" : "step-pin-new");
}

function next(step: Step, preparing: string): string {
  if (step.kind === "preparing") return preparing;
  return step.kind === "pin" || step.kind === "failed" || step.kind === "ended" ? "" : t(`step-${step.kind}-next`);
}
