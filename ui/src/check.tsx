// One check: how it came out, what was seen, what to do, and who can.
import type { Check, Seen, SettingsPage } from "./bindings";
import { Shape } from "./icons";
import { act } from "./ipc";
import { useContact } from "./support";
import { date, duration, has, moment, named, number, t } from "./text";

export function CheckItem({ check, now }: { check: Check; now: number }) {
  const { code, tone, seen } = check;
  return (
    <li class={`check ${tone}`} data-check={code} data-tone={tone}>
      <Shape tone={tone} />
      <div class="about">
        <h3 dir="auto">{check.own.title ?? named(`check-${code}-title`, code)}</h3>
        <p class="state">
          <strong>{t(`tone-${tone}`)}</strong>
          <span dir="auto">{reason(check)}</span>
        </p>
        {tone !== "good" && <Remedy check={check} now={now} />}
        {(seen.length > 0 || check.since !== null) && (
          <dl class="facts">
            {seen.map((it) => (
              <Fact key={it.name} name={named(`seen-${it.name}`, it.name)}>
                {value(it, now)}
              </Fact>
            ))}
            {check.since !== null && <Fact name={t("check-since")}>{moment(check.since, now)}</Fact>}
          </dl>
        )}
      </div>
    </li>
  );
}

/** A name and a value, which may come from outside. */
export function Fact({ name, id, children }: { name: string; id?: string; children: string }) {
  return (
    <div>
      <dt dir="auto">{name}</dt>
      <dd id={id} dir="auto">
        {children}
      </dd>
    </div>
  );
}

function Remedy({ check, now }: { check: Check; now: number }) {
  const { code, tone, deadline, own, remediator } = check;
  const contact = useContact();
  if (tone === "unknown") return <p class="remedy">{t("check-unknown-next")}</p>;
  const why = own.why ?? named(`check-${code}-why`, "");
  const steps = own.steps.length > 0 ? own.steps : check.steps.map((step) => t(step));
  return (
    <>
      <p class="remedy">
        <span class="label">{t("check-remedy")}</span>
        <span dir="auto">{own.remedy ?? remedy(check)}</span>
      </p>
      {steps.length > 0 && (
        <ol class="steps">
          {steps.map((step) => (
            <li key={step} dir="auto">
              {step}
            </li>
          ))}
        </ol>
      )}
      {check.settings !== null && <OpenSettings page={check.settings} />}
      {why !== "" && (
        <p class="why" dir="auto">
          {why}
        </p>
      )}
      <ul class="hints">
        {deadline !== null && (
          <li class="due">
            {t(deadline > now ? "check-deadline" : "check-deadline-over")} {moment(deadline, now)}
          </li>
        )}
        <li class={`remediator ${remediator}`} dir="auto">
          {remediator === "it" ? contact : t("remediator-you")}
        </li>
        {check.restart && <li>{t("restart-helps")}</li>}
      </ul>
    </>
  );
}

function OpenSettings({ page }: { page: SettingsPage }) {
  return (
    <button type="button" class="open-settings" data-settings={page} onClick={() => void act({ do: "open-settings", page })}>
      {t(`open-settings-${page}`)}
    </button>
  );
}

/** A check that is no part of the device's policy, such as the model of the security key, has its remedy by its name. */
function remedy({ code, known, remedy }: Check): string {
  const named = `check-${code}-remedy`;
  return t(!known && has(named) ? named : remedy);
}

function reason({ reason, tone }: Check): string {
  if (reason) return named(`reason-${reason}`, reason);
  return tone === "unknown" ? "" : t("check-refused");
}

function value({ name, value }: Seen, now: number): string {
  switch (value.kind) {
    case "flag":
      return t(value.value ? "value-yes" : "value-no");
    case "number":
      return name.endsWith("_seconds") ? duration(value.value) : number(value.value);
    case "times":
      return value.value.length === 1 ? moment(value.value[0] ?? 0, now) : value.value.map(date).join(", ");
    case "text":
      return word(value.value);
    case "list":
      return value.value.map(word).join(", ");
    case "unreadable":
      return t("value-unreadable", { why: named(`unreadable-${value.value}`, value.value) });
  }
}

/** A word that has a translation, or what the device said as it is. */
const word = (said: string): string => (has(`value-${said}`) ? t(`value-${said}`) : said);
