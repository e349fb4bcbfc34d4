// The registered security keys, registering another one, and what to do when one is lost.
import { useEffect } from "preact/hooks";
import type { KeyView, KeyList, View } from "./bindings";
import { Fact } from "./check";
import { TroubleNote } from "./ended";
import { act } from "./ipc";
import { useNow } from "./now";
import { Register, type Draft } from "./register";
import { moment, t } from "./text";

export function KeysPage({ view, draft }: { view: View; draft: Draft }) {
  const { keys, registration, lost } = view;
  const done = registration.kind === "done";
  // What to do now has the window to itself.
  const running = registration.kind === "running";
  const missing = keys === null;
  // Requested if missing, after a registration, and when the service returns.
  useEffect(() => {
    if (lost === null && (missing || done || keys?.kind === "failed")) void act({ do: "list-keys" });
  }, [missing, done, lost]);
  return (
    <main data-page="keys">
      <h1 tabIndex={-1}>{t("keys-title")}</h1>
      {lost && (
        <p id="lost" class="card trouble" data-loss={lost}>
          {t(`loss-${lost}`)}
        </p>
      )}
      {!running && <List keys={keys} advise={registration.kind !== "done"} />}
      <Register registration={registration} draft={draft} another={count(keys) > 0} />
      {!running && (
        <section id="keys-lost" aria-labelledby="keys-lost-title">
          <h2 id="keys-lost-title">{t("keys-lost-title")}</h2>
          <ol class="card">
            <li>{t("keys-lost-1")}</li>
            <li>{t("keys-lost-2")}</li>
            <li>{t("keys-lost-3")}</li>
          </ol>
        </section>
      )}
    </main>
  );
}

const count = (keys: KeyList | null): number => (keys?.kind === "registered" ? keys.keys.length : 0);

/** The user has only one key. */
const single = (keys: KeyView[]): boolean =>
  keys.some(({ user }) => keys.filter((it) => it.user === user).length === 1);

function List({ keys, advise }: { keys: KeyList | null; advise: boolean }) {
  const now = useNow(20_000);
  return (
    <section id="keys" data-kind={keys?.kind ?? "asking"} aria-labelledby="keys-label">
      <h2 id="keys-label">{t("keys-registered")}</h2>
      {(keys === null || keys.kind === "asking") && <p class="note">{t("keys-asking")}</p>}
      {keys?.kind === "failed" && (
        <>
          <p>{t("keys-failed")}</p>
          <TroubleNote trouble={keys.trouble} />
          <button type="button" id="keys-again" onClick={() => void act({ do: "list-keys" })}>
            {t("try-again")}
          </button>
        </>
      )}
      {keys?.kind === "registered" && keys.keys.length === 0 && <p class="card">{t("keys-none")}</p>}
      {keys?.kind === "registered" && keys.keys.length > 0 && (
        <ul class="keys">
          {keys.keys.map((key) => (
            <KeyItem key={key.id} it={key} now={now} />
          ))}
        </ul>
      )}
      {advise && keys?.kind === "registered" && single(keys.keys) && <p class="note">{t("keys-second")}</p>}
    </section>
  );
}

function KeyItem({ it, now }: { it: KeyView; now: number }) {
  return (
    <li class="card" data-key={it.id}>
      <h3 dir="auto">{it.name}</h3>
      <dl class="facts">
        <Fact name={t("key-user")}>{it.user}</Fact>
        <Fact name={t("key-model")}>{it.model}</Fact>
        <Fact name={t("key-registered")}>{moment(it.registered, now)}</Fact>
        <Fact name={t("key-used")}>{it.lastUsed === null ? t("key-used-never") : moment(it.lastUsed, now)}</Fact>
      </dl>
    </li>
  );
}
