// Registering a security key: a code from IT, a name, a touch.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Registration } from "./bindings";
import { TroubleNote } from "./ended";
import { Shape } from "./icons";
import { act } from "./ipc";
import { useOnce } from "./once";
import { Live } from "./step";
import { t } from "./text";

/** What was typed and not sent yet: it outlives a step-up that comes in between. */
export type Draft = { code: string; name: string };

export function Register({ registration, draft, another }: { registration: Registration; draft: Draft; another: boolean }) {
  const title = useRef<HTMLHeadingElement>(null);
  const { kind } = registration;
  const before = useRef(kind);
  const stop = useOnce(kind)(() => act({ do: "stop-registering" }));
  // What was in focus is gone with what it stood in.
  useEffect(() => {
    if (before.current !== kind) title.current?.focus();
    before.current = kind;
  }, [kind]);
  return (
    <section id="registration" data-kind={kind} aria-labelledby="registration-title">
      <h2 id="registration-title" ref={title} tabIndex={-1}>
        {heading(registration, another)}
      </h2>
      {registration.kind === "idle" && <Form draft={draft} />}
      {registration.kind === "running" && (
        <div class="card">
          {registration.user !== null && (
            <p id="register-user" class="note">
              {t("register-for", { user: registration.user })}
            </p>
          )}
          <Live step={registration.step} preparing={t("register-preparing")} />
          <button type="button" id="register-cancel" onClick={stop}>
            {t("cancel")}
          </button>
        </div>
      )}
      {registration.kind === "done" && (
        <div class="hero good">
          <Shape tone="good" large />
          <p>{t("register-done-next", { name: registration.key.name, user: registration.key.user })}</p>
          <p class="note">{t("keys-second")}</p>
          <button type="button" id="register-dismiss" class="primary" onClick={stop}>
            {t("register-another")}
          </button>
        </div>
      )}
      {registration.kind === "failed" && (
        <>
          <TroubleNote trouble={registration.trouble} />
          <button type="button" id="register-dismiss" class="primary" onClick={stop}>
            {t("try-again")}
          </button>
        </>
      )}
    </section>
  );
}

function heading({ kind }: Registration, another: boolean): string {
  if (kind === "idle") return t(another ? "register-another" : "register-title");
  return t(`register-${kind}`);
}

function Form({ draft }: { draft: Draft }) {
  const [wrong, tell] = useState<keyof Draft | null>(null);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { code, name } = draft;
    const missing = code.trim() === "" ? "code" : name.trim() === "" ? "name" : null;
    tell(missing);
    if (missing) {
      document.getElementById(`register-${missing}`)?.focus();
      return;
    }
    draft.code = draft.name = "";
    void act({ do: "register", code, name });
  };
  const field = (which: keyof Draft) => (
    <div class="field">
      <label for={`register-${which}`}>{t(`register-${which}`)}</label>
      <input
        id={`register-${which}`}
        type="text"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        required
        defaultValue={draft[which]}
        aria-invalid={wrong === which}
        aria-describedby={`register-${which}-error register-${which}-about`}
        onInput={(event) => (draft[which] = event.currentTarget.value)}
      />
      <p id={`register-${which}-about`} class="note">
        {t(`register-${which}-about`)}
      </p>
      <p id={`register-${which}-error`} class="wrong" role="alert">
        {wrong === which && t(`register-${which}-missing`)}
      </p>
    </div>
  );
  return (
    <form class="card" noValidate onSubmit={submit}>
      <p>{t("register-about")}</p>
      {field("code")}
      {field("name")}
      <button type="submit" id="register-start" class="primary">
        {t("register-start")}
      </button>
    </form>
  );
}
