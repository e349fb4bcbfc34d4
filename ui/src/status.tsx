// How this device is: one sentence first, then what to do, then everything that was seen.
import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "./announce";
import type { Check, DeviceView, Headline, DisconnectReason } from "./bindings";
import { CheckItem, Fact } from "./check";
import { CodeForIt } from "./code";
import { Diagnostics } from "./diagnostics";
import { Shape } from "./icons";
import { act } from "./ipc";
import { useNow } from "./now";
import { DowntimeNote, SupportNote, useTeam } from "./support";
import { ago, date, moment, t } from "./text";

/** So long "checking" is seen at least, in milliseconds: what flickers by was not seen to happen. */
const SEEN = 700;
/** After so long without an answer the person is told, in milliseconds. */
const PATIENCE = 30_000;

/** Where another check changes nothing: IT has to act, or the service has to come back. */
const HELPLESS: Headline["kind"][] = ["revoked", "refused", "not-enrolled", "foreign-service", "other-version", "no-service"];

export function Status({ device, lost }: { device: DeviceView; lost: DisconnectReason | null }) {
  const now = useNow(20_000);
  const team = useTeam();
  const { headline, tone, checks, contact } = device;
  const sentence = say(headline, lost);
  useSpoken(sentence);
  const are = (...tones: Check["tone"][]) => checks.filter((check) => tones.includes(check.tone));
  const [wrong, unknown, good] = [are("blocked", "attention"), are("unknown"), are("good")];
  const [yours, its] = [wrong.filter((it) => it.remediator === "you"), wrong.filter((it) => it.remediator === "it")];
  // Not beside a request to tell IT.
  const calm = headline.kind === "healthy" && device.unknown === 0;
  const list = (some: Check[]) => (
    <ul class="checks">
      {some.map((check) => (
        <CheckItem key={check.code} check={check} now={now} />
      ))}
    </ul>
  );
  return (
    <main data-page="status">
      <section class={`hero ${tone}`}>
        <Shape tone={tone} large />
        <div>
          <h1 id="headline" data-kind={headline.kind} data-tone={tone} tabIndex={-1}>
            {sentence}
          </h1>
          {lost ? (
            <p id="lost" data-loss={lost}>
              {t(`loss-${lost}`)}
            </p>
          ) : (
            !(calm && device.settings === "refused") && <p>{next(device)}</p>
          )}
          {device.code !== null && <CodeForIt id="problem-code" code={device.code} />}
          {device.code !== null && <SupportNote />}
          {device.settings === "refused" && (
            <p id="settings-refused" class="offline">
              {t("device-settings-refused", { team })}
            </p>
          )}
          {contact.kind === "offline" && <p class="offline">{t("contact-offline", { since: date(contact.since) })}</p>}
        </div>
        <CheckAgain device={device} lost={lost !== null} now={now} sentence={sentence} />
      </section>
      {tone === "blocked" && <DowntimeNote />}

      {checks.length > 0 && (
        <section aria-labelledby="checks-label">
          <h2 id="checks-label">{t(wrong.length > 0 ? "checks-attention" : "checks-label")}</h2>
          {lost && <p class="note">{t("loss-last-known")}</p>}
          {yours.length > 0 && list(yours)}
          {its.length > 0 && (
            <details id="checks-it" class="card its">
              <summary>
                <Shape tone={its.some((it) => it.tone === "blocked") ? "blocked" : "attention"} />
                {t("checks-it", { count: its.length, team })}
              </summary>
              <p class="note">{t("checks-it-next")}</p>
              {list(its)}
            </details>
          )}
          {its.length > 0 && <SupportNote />}
          {unknown.length > 0 && (
            <details open>
              <summary>
                <Shape tone="unknown" />
                {t("checks-unknown", { count: unknown.length })}
              </summary>
              {list(unknown)}
            </details>
          )}
          {good.length > 0 && (
            <details>
              <summary>
                <Shape tone="good" />
                {t("checks-good", { count: good.length })}
              </summary>
              {list(good)}
            </details>
          )}
        </section>
      )}

      <section aria-labelledby="device-label">
        <h2 id="device-label">{t("device-label")}</h2>
        <dl class="facts card">
          <Fact name={t("device-name")} id="device-name">
            {device.name}
          </Fact>
          <Fact name={t("device-code")} id="device-code">
            {device.deviceCode ?? t("device-code-none")}
          </Fact>
          <Fact name={t("device-contact")} id="device-contact">
            {contact.kind === "offline" ? t("contact-offline", { since: date(contact.since) }) : t(`contact-${contact.kind}`)}
          </Fact>
          <Fact name={t("device-reported")} id="device-reported">
            {device.reportedAt === null ? t("device-reported-none") : moment(device.reportedAt, now)}
          </Fact>
          {device.holdsUntil !== null && (
            <Fact name={t("device-holds")} id="device-holds">
              {moment(device.holdsUntil, now)}
            </Fact>
          )}
        </dl>
      </section>

      <Diagnostics />
    </main>
  );
}

/** The headline, in a sentence. */
function say(headline: Headline, lost: DisconnectReason | null): string {
  if (headline.kind === "no-service" && lost === "starting") return t("headline-no-service-starting");
  if (headline.kind !== "attention") return t(`headline-${headline.kind}`);
  const { things, yours } = headline;
  const share = yours === 0 ? "none" : yours >= things ? "all" : "some";
  return t(`headline-attention-${share}`, { things, yours });
}

/** What follows from it. */
function next({ headline, tone, unknown }: DeviceView): string {
  if (headline.kind === "attention") return t(`headline-attention-${tone === "blocked" ? "blocked" : "next"}`);
  if (headline.kind === "healthy" && unknown > 0) return t("headline-healthy-unknown", { unknown });
  return t(`headline-${headline.kind}-next`);
}

/** Says it when it has become another one. */
function useSpoken(sentence: string): void {
  const before = useRef(sentence);
  useEffect(() => {
    if (before.current !== sentence) announce(sentence);
    before.current = sentence;
  }, [sentence]);
}

type Checked = "no" | "asked" | "done" | "offline" | "failed";

type Again = { device: DeviceView; lost: boolean; now: number; sentence: string };

function CheckAgain({ device, lost, now, sentence }: Again) {
  const [checked, set] = useState<Checked>("no");
  const { busy, contact, reportedAt } = device;
  const asked = useRef({ at: 0, reportedAt, seenBusy: false });
  const running = checked === "asked" || busy;

  // It is done when the service was at work and is no longer, or when a newer report is there.
  if (busy) asked.current.seenBusy = true;
  const over = !busy && (asked.current.seenBusy || reportedAt !== asked.current.reportedAt);
  useEffect(() => {
    if (checked !== "asked") return;
    const end = (how: Checked) => {
      set(how);
      announce(`${t(`check-again-${how}`)} – ${sentence}`);
    };
    if (lost) return end("failed");
    const waits = (over ? SEEN : PATIENCE) - (Date.now() - asked.current.at);
    const how = !over ? "failed" : contact.kind === "offline" ? "offline" : "done";
    const timer = setTimeout(() => end(how), Math.max(0, waits));
    return () => clearTimeout(timer);
  }, [checked, over, lost, contact.kind, sentence]);

  const ask = () => {
    if (running || lost) return;
    asked.current = { at: Date.now(), reportedAt, seenBusy: false };
    set("asked");
    announce(t("check-again-busy"));
    void act({ do: "check-again" });
  };
  return (
    <div class="again">
      <button
        type="button"
        id="check-again"
        class={HELPLESS.includes(device.headline.kind) ? undefined : "primary"}
        aria-busy={running}
        aria-disabled={running || lost}
        onClick={ask}
      >
        <span class="spinner" aria-hidden="true" />
        {t(running ? "check-again-busy" : "check-again")}
      </button>
      {running || checked === "no" ? (
        reportedAt !== null && <p class="note">{t("reported", { ago: ago(reportedAt, now) })}</p>
      ) : (
        <p id="checked" class="note" data-checked={checked}>
          {t(`check-again-${checked}`)}
        </p>
      )}
    </div>
  );
}
