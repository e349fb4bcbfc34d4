// How a step-up ended: what happened, and what to do next.
import type { Page, Prompt, PromptResult, Step, Tone, KeyProblem } from "./bindings";
import { CheckItem } from "./check";
import { CodeForIt } from "./code";
import { Mark, Shape } from "./icons";
import { act } from "./ipc";
import { MoveHandle, MoveHint } from "./move";
import { useNow } from "./now";
import { useOnce } from "./once";
import { DowntimeNote, SupportNote } from "./support";
import { t } from "./text";

/** Ends that say more than "nothing was confirmed", whatever went wrong at the key. */
const OWN_WORDS: PromptResult[] = ["not-told", "not-genuine"];

/** Ends after which the person cannot go on at this device, or with this key. */
const NOT_HERE: PromptResult[] = ["unhealthy", "pin-blocked", "no-key"];

type EndStep = Extract<Step, { kind: "ended" }>;

export function Ended({ prompt, step, covers }: { prompt: Prompt; step: EndStep; covers: boolean }) {
  const now = useNow(20_000);
  const once = useOnce(prompt.id);
  const { end, checks, trouble } = step;
  // Another insertion of the key is enough.
  const paused = end === "pin-blocked" && trouble?.kind === "reinsert";
  const look = paused ? "attention" : tone(end);
  const open = (page: Page) => async () => {
    await act({ do: "dismiss" });
    await act({ do: "open", page });
  };
  return (
    <article id="prompt" class="prompt ended" data-step="ended" data-end={end} aria-labelledby="prompt-title">
      <MoveHandle />
      <div class="what">
        {covers && <MoveHint />}
        <section class={`hero ${look}`}>
          {look === "unknown" ? <Mark end={end} as="shape unknown large" /> : <Shape tone={look} large />}
          <div>
            <p class="label">
              <bdi id="prompt-application">{prompt.application}</bdi>
            </p>
            <h1 id="prompt-title" tabIndex={-1} aria-describedby="end-next trouble">
              {t(paused ? "end-pin-paused" : `end-${end}`)}
            </h1>
            <p id="end-next">{t(trouble && !OWN_WORDS.includes(end) ? "end-nothing" : `end-${end}-next`)}</p>
          </div>
        </section>
        {NOT_HERE.includes(end) && <DowntimeNote />}
        {trouble && <TroubleNote trouble={trouble} />}
        {checks.length > 0 && (
          <section aria-labelledby="end-checks">
            <h2 id="end-checks">{t("end-checks")}</h2>
            <ul class="checks">
              {checks.map((check) => (
                <CheckItem key={check.code} check={check} now={now} />
              ))}
            </ul>
          </section>
        )}
      </div>
      <footer>
        <button type="button" id="dismiss" class="primary" onClick={once(() => act({ do: "dismiss" }))}>
          {t("close")}
        </button>
        {checks.length > 0 && (
          <button type="button" id="open-status" onClick={once(open("status"))}>
            {t("end-status")}
          </button>
        )}
        {trouble?.kind === "none-registered" && (
          <button type="button" id="open-keys" onClick={once(open("keys"))}>
            {t("tray-register")}
          </button>
        )}
        <p id="end-closes" class="note">
          {t("end-closes")}
        </p>
      </footer>
    </article>
  );
}

/** What went wrong and what to do, and the code for IT: other programs' words are in the diagnostics. */
export function TroubleNote({ trouble: { kind, code } }: { trouble: KeyProblem }) {
  return (
    <div id="trouble" class="card trouble" data-kind={kind}>
      <p class="label">{t("trouble-label")}</p>
      <p>{t(`trouble-${kind}`)}</p>
      <CodeForIt id="trouble-code" code={code} />
      <SupportNote />
    </div>
  );
}

function tone(end: EndStep["end"]): Tone {
  switch (end) {
    case "approved":
      return "good";
    case "declined":
    case "not-mine":
    case "superseded":
    case "cancelled":
      return "unknown";
    case "unhealthy":
    case "pin-blocked":
    case "wrong-key":
    case "not-genuine":
      return "blocked";
    default:
      return "attention";
  }
}
