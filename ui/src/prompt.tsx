// An application asks for a tap: who asks, what for, for whom, on which device, and how long is left. Every text in it
// comes from outside: it is shown as it is, whole, and never as markup.
import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "./announce";
import type { DeviceView, Prompt } from "./bindings";
import { Fact } from "./check";
import { Ended } from "./ended";
import { FlagIcon, Ring } from "./icons";
import { act } from "./ipc";
import { MoveHandle, MoveHint } from "./move";
import { useNow } from "./now";
import { useOnce } from "./once";
import { Scrolled, useReading } from "./read";
import { Live, useInSight } from "./step";
import { clock, t, timeOfDay } from "./text";

/** Names with more characters are written smaller. */
const LONG_NAME = 24;
/** With so many seconds left it is said. */
const SAID = [30, 10];
/** Placeholder for the application's name, which is emphasised within a sentence. */
const HERE = "\u{e000}";

type Shown = { prompt: Prompt; device: DeviceView; covers: boolean; marked: boolean };

export function PromptPage(shown: Shown) {
  const { prompt, covers } = shown;
  const { step } = prompt;
  return (
    <main data-page="prompt" class={step.kind === "ended" ? undefined : "asked"}>
      {step.kind === "ended" ? (
        <Ended prompt={prompt} step={step} covers={covers} />
      ) : (
        <Asked key={JSON.stringify([prompt.id, prompt.message, prompt.details])} {...shown} />
      )}
    </main>
  );
}

function Asked({ prompt, device, covers, marked }: Shown) {
  const { id, step, details, waiting } = prompt;
  const [reporting, report] = useState(false);
  const once = useOnce(`${id} ${step.kind} ${reporting}`);
  const { unread, part } = useReading(prompt, marked);
  const long = Math.max(prompt.application.length, prompt.user.length) > LONG_NAME;
  // The tap has been given: there is nothing left to decline.
  const closed = step.kind === "checking" || reporting;
  return (
    <article id="prompt" class="prompt" data-step={step.kind} data-long={long} aria-labelledby="prompt-title">
      <MoveHandle />
      <div class="what">
        {prompt.test && (
          <p id="prompt-test" class="test">
            {t("prompt-test")}
          </p>
        )}
        <header>
          <h1 id="prompt-title" tabIndex={-1} aria-describedby="prompt-message step-title">
            <Sentence application={prompt.application} />
          </h1>
          <TimeLeft until={prompt.until} />
        </header>
        {covers && <MoveHint />}
        <dl class="who">
          <Fact name={t("prompt-user")} id="prompt-user">
            {prompt.user}
          </Fact>
          <Fact name={t("prompt-device")} id="prompt-device">
            {device.name}
          </Fact>
        </dl>
        <Scrolled id="prompt-message" label={t("prompt-message")} onEnd={part("message")}>
          {prompt.message}
        </Scrolled>
        {details.length > 0 && (
          <Scrolled id="prompt-details" label={t("prompt-details")} onEnd={part("details")}>
            <table>
              <colgroup>
                <col class="names" />
                <col />
              </colgroup>
              <tbody>
                {details.map(({ name, value, depth }, row) => (
                  <tr key={row} data-depth={Math.min(depth, 3)}>
                    <th scope="row" dir="auto" colSpan={value === null ? 2 : 1}>
                      {name}
                    </th>
                    {value !== null && <td dir="auto">{value}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolled>
        )}
        <p id="prompt-level" class="note" data-level={prompt.level}>
          {t("prompt-level", { level: t(`level-${prompt.level}`) })}
          {prompt.pinEntered !== null && step.kind !== "pin" && (
            <strong id="prompt-pin">{t("prompt-pin", { time: timeOfDay(prompt.pinEntered) })}</strong>
          )}
        </p>
      </div>
      {reporting && step.kind !== "checking" ? (
        <Report id={id} back={() => report(false)} />
      ) : (
        <Live id={id} step={step} preparing={t(unread ? "step-read-next" : "step-preparing-next")} unread={unread} />
      )}
      <footer>
        {waiting > 0 && (
          <p id="prompt-waiting" class="note">
            {t("prompt-waiting", { waiting })}
          </p>
        )}
        <button type="button" id="decline" aria-disabled={closed} onClick={once(() => closed || act({ do: "decline", id }))}>
          {t("decline")}
        </button>
        <button
          type="button"
          id="not-mine"
          class="alarm"
          aria-disabled={closed}
          onClick={() => closed || report(true)}
        >
          <FlagIcon />
          <span>
            {t("not-mine")}
            <small>{t("not-mine-about")}</small>
          </span>
        </button>
      </footer>
    </article>
  );
}

/** The second step of "I did not ask for this": a slip of the finger must not raise an alarm. */
function Report({ id, back }: { id: string; back: () => void }) {
  const once = useOnce("report");
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  return (
    <section id="report-panel" ref={useInSight("report")} class="live report" aria-labelledby="report-title">
      <div class="words">
        <h2 id="report-title" ref={title} tabIndex={-1}>
          {t("report-title")}
        </h2>
        <p>{t("report-next")}</p>
      </div>
      <div class="choices">
        <button type="button" id="report" class="alarm" onClick={once(() => act({ do: "not-mine", id }))}>
          <FlagIcon />
          {t("report-yes")}
        </button>
        <button type="button" id="report-back" onClick={back}>
          {t("report-back")}
        </button>
      </div>
    </section>
  );
}

/** Which application asks: its name is set apart, wherever the language puts it. */
function Sentence({ application }: { application: string }) {
  const [before, after] = t("prompt-title", { application: HERE }).replaceAll(/[\u2068\u2069]/g, "").split(HERE);
  return (
    <>
      {before}
      <bdi id="prompt-application">{application}</bdi>
      {after}
    </>
  );
}

function TimeLeft({ until }: { until: number }) {
  const now = useNow(500);
  const whole = useRef(Math.max(1, until - now));
  // A clock that is set back does not lengthen it.
  const left = Math.min(whole.current, Math.max(0, until - now));
  const before = useRef(left);
  useEffect(() => {
    const passed = SAID.find((at) => before.current > at && left <= at);
    if (passed !== undefined) announce(t("prompt-seconds", { seconds: left }));
    before.current = left;
  }, [left]);
  return (
    <p class={`time ${left <= 10 ? "short" : ""}`}>
      <Ring left={Math.min(1, left / whole.current)} />
      <span class="unseen">{t("prompt-time")} </span>
      <span id="prompt-time">{clock(left)}</span>
    </p>
  );
}
