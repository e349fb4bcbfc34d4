// How to reach IT, as the organisation says it. Shown wherever IT is named.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Downtime, Support } from "./bindings";
import { t } from "./text";

export const SupportContext = createContext<Support>({ name: null, phone: null, text: null, url: null });

export const DowntimeContext = createContext<Downtime | null>(null);

/** "Call IT (ext. 1234)", or the shortest that is known. */
export function useContact(): string {
  const { name, phone, url } = useContext(SupportContext);
  if (name === null && phone === null && url === null) return t("remediator-it");
  const team = name ?? t("support-it");
  if (phone !== null) return t("support-call", { team, phone });
  return url === null ? t("support-contact", { team }) : t("support-contact-at", { team, url: readable(url) });
}

/** Name of the organisation's IT team. */
export const useTeam = (): string => useContext(SupportContext).name ?? t("support-it");

/** All that the organisation says; nothing where it says nothing. */
export function SupportNote() {
  const { name, phone, text, url } = useContext(SupportContext);
  const contact = useContact();
  if (name === null && phone === null && text === null && url === null) return null;
  return (
    <div class="card support">
      <p dir="auto">
        <strong>{contact}</strong>
      </p>
      {text !== null && <p dir="auto">{text}</p>}
      {phone !== null && url !== null && <p dir="auto">{readable(url)}</p>}
    </div>
  );
}

/** What the organisation has people do while a device is not ready; nothing where it says nothing. */
export function DowntimeNote() {
  const downtime = useContext(DowntimeContext);
  if (downtime === null) return null;
  const { text, phone } = downtime;
  return (
    <section id="downtime" class="card downtime" aria-labelledby="downtime-label">
      <h2 id="downtime-label">{t("downtime-label")}</h2>
      <p dir="auto">{text}</p>
      {phone !== null && (
        <p>
          <strong>{t("downtime-call", { phone })}</strong>
        </p>
      )}
    </section>
  );
}

/** Without the scheme that people do not type. */
const readable = (url: string): string => url.replace(/^(mailto|tel):/, "");
