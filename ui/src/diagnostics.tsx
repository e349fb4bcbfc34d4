// What IT asks for, to be read and copied. It is gathered when it is asked for.
import { useRef, useState } from "preact/hooks";
import { announce } from "./announce";
import { diagnostics } from "./ipc";
import { t } from "./text";

type Copied = "no" | "copied" | "not-copied";

export function Diagnostics() {
  const [shown, show] = useState(false);
  const [text, set] = useState<string | null>(null);
  const [copied, tell] = useState<Copied>("no");
  const area = useRef<HTMLTextAreaElement>(null);

  const toggle = async () => {
    show(!shown);
    set(null);
    tell("no");
    if (!shown) set(await diagnostics());
  };
  const copy = async () => {
    const how = (await copies(area.current)) ? "copied" : "not-copied";
    tell(how);
    announce(t(`diagnostics-${how}`));
  };
  return (
    <section aria-labelledby="diagnostics-label">
      <h2 id="diagnostics-label">{t("diagnostics-label")}</h2>
      <p class="note">{t("diagnostics-about")}</p>
      <button type="button" id="diagnostics-show" aria-expanded={shown} aria-controls="diagnostics-box" onClick={toggle}>
        {t(shown ? "diagnostics-hide" : "diagnostics-show")}
      </button>
      <div id="diagnostics-box" hidden={!shown}>
        {text === null ? (
          <p class="note">{t("diagnostics-wait")}</p>
        ) : (
          <>
            <textarea id="diagnostics" ref={area} readOnly rows={10} spellcheck={false} aria-labelledby="diagnostics-label">
              {text}
            </textarea>
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
