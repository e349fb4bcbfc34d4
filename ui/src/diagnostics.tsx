// Diagnostics for IT: shown completely, then sent or copied. They are gathered when the person asks for them.
import { useRef, useState } from "preact/hooks";
import { announce } from "./announce";
import type { DiagnosticsSent, DiagnosticsText } from "./bindings";
import { diagnostics, sendDiagnostics } from "./ipc";
import { useTeam } from "./support";
import { t } from "./text";

type Copied = "no" | "copied" | "not-copied";

export function Diagnostics() {
  const [shown, show] = useState(false);
  const [gathered, set] = useState<DiagnosticsText | null>(null);
  const [sent, tellSent] = useState<DiagnosticsSent["kind"] | "sending" | "no">("no");
  const [reference, setReference] = useState("");
  const team = useTeam();
  const [copied, tell] = useState<Copied>("no");
  const area = useRef<HTMLTextAreaElement>(null);

  const toggle = async () => {
    show(!shown);
    set(null);
    tell("no");
    tellSent("no");
    if (!shown) set(await diagnostics());
  };
  const copy = async () => {
    const how = (await copies(area.current)) ? "copied" : "not-copied";
    tell(how);
    announce(t(`diagnostics-${how}`));
  };
  const send = async (text: string) => {
    if (sent === "sending" || sent === "sent") return;
    tellSent("sending");
    const result = await sendDiagnostics(text);
    if (result.kind === "sent") setReference(result.reference);
    tellSent(result.kind);
    announce(t(`diagnostics-${result.kind}`, { reference: result.kind === "sent" ? result.reference : "", team }));
  };
  return (
    <section aria-labelledby="diagnostics-label">
      <h2 id="diagnostics-label">{t("diagnostics-label")}</h2>
      <p class="note">{t("diagnostics-about")}</p>
      <button type="button" id="diagnostics-show" aria-expanded={shown} aria-controls="diagnostics-box" onClick={toggle}>
        {t(shown ? "diagnostics-hide" : "diagnostics-show")}
      </button>
      <div id="diagnostics-box" hidden={!shown}>
        {gathered === null ? (
          <p class="note">{t("diagnostics-wait")}</p>
        ) : (
          <>
            <textarea id="diagnostics" ref={area} readOnly rows={10} spellcheck={false} aria-labelledby="diagnostics-label">
              {gathered.text}
            </textarea>
            {gathered.sendable ? (
              <button
                type="button"
                id="send-diagnostics"
                class="primary"
                aria-busy={sent === "sending"}
                aria-disabled={sent === "sending" || sent === "sent"}
                onClick={() => void send(gathered.text)}
              >
                {t("diagnostics-send", { team })}
              </button>
            ) : (
              <p id="diagnostics-not-sendable" class="note">
                {t("diagnostics-not-sendable")}
              </p>
            )}
            {sent !== "no" && sent !== "sending" && (
              <p id="sent" class="note" data-sent={sent} dir="auto">
                <strong>{t(`diagnostics-${sent}`, { reference, team })}</strong>
              </p>
            )}
            <button type="button" id="copy-diagnostics" onClick={copy}>
              {t("diagnostics-copy")}
            </button>
            {copied !== "no" && (
              <p id="copied" class="note" data-copied={copied}>
                {t(`diagnostics-${copied}`)}
              </p>
            )}
          </>
        )}
      </div>
    </section>
  );
}

async function copies(area: HTMLTextAreaElement | null): Promise<boolean> {
  if (!area) return false;
  try {
    await navigator.clipboard.writeText(area.value);
    return true;
  } catch {
    // Not every web view grants that; the older way needs a selection, which serves the person as well.
    area.focus();
    area.select();
    return document.execCommand("copy");
  }
}
