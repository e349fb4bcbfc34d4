// The PIN of a security key. It is only in the fields, never in a longer-lived variable, and the fields are emptied
// before the PIN is sent. The parent passes the question's number as key, so that each question
// starts with empty fields.
//
// The fields accept input only after an act that was meant for them: a wrong PIN costs one of eight attempts, and what
// the person types when a prompt comes up is meant for another window.
import { useEffect, useRef, useState } from "preact/hooks";
import type { PinAsked } from "./bindings";
import { afterKeys, cameByTab, pressCounts } from "./gate";
import { EraseIcon, PadIcon } from "./icons";
import { enterPin } from "./ipc";
import { useMedia } from "./media";
import { keep, useSettings } from "./settings";
import { number, t } from "./text";

/** The most bytes of a PIN (CTAP 2.1 section 6.5.1). */
const LONGEST = 63;
/** With so few attempts left, the person says first that they know the PIN. */
const FEW_ATTEMPTS = 3;
const DIGITS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export function PinForm({ asked }: { asked: PinAsked }) {
  const chosen = asked.why === "new" || asked.why === "change" || asked.why === "unsuitable";
  const settings = useSettings();
  const [pad, show] = useState(() => settings.pinPad ?? matchMedia("(pointer: coarse)").matches);
  const showPad = (shown: boolean) => {
    show(shown);
    keep({ ...settings, pinPad: shown });
  };
  const low = useMedia("(max-height: 719px)");
  const narrow = useMedia("(max-width: 384px)");
  const [wrong, tell] = useState(() => said(asked));
  const first = useRef<HTMLInputElement>(null);
  const again = useRef<HTMLInputElement>(null);
  const current = useRef(first);
  const [armed, arm] = useState(false);
  const few = asked.attemptsLeft !== null && asked.attemptsLeft <= FEW_ATTEMPTS && !chosen;
  const [sure, setSure] = useState(!few);
  useEffect(() => {
    if (!asked.inserted || few) return;
    first.current?.focus();
    return afterKeys(() => arm(true));
  }, []);
  useEffect(() => {
    if (!sure || !few) return;
    first.current?.focus();
    // The focus brings only the field into view: the button below it is pressed next.
    first.current?.form?.scrollIntoView({ block: "nearest" });
  }, [sure]);

  const submit = (event: Event) => {
    event.preventDefault();
    if (!armed) return;
    const [one, two] = [first.current, again.current];
    if (!one) return;
    const why = unfit(one.value, asked.least);
    if (why) {
      tell(why);
      return one.focus();
    }
    if (two && two.value !== one.value) {
      one.value = two.value = "";
      tell(t("pin-differ"));
      return one.focus();
    }
    const pin = one.value;
    one.value = "";
    if (two) two.value = "";
    void enterPin(asked.question, pin);
  };
  const type = (digit: number) => {
    arm(true);
    const field = current.current.current;
    if (field) field.value += digit;
  };
  const erase = () => {
    const field = current.current.current;
    if (field) field.value = [...field.value].slice(0, -1).join("");
  };
  const field = (id: string, label: string, ref: typeof first) => (
    <>
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={ref}
        type="password"
        autocomplete="off"
        inputMode={pad ? "none" : "text"}
        autocapitalize="off"
        spellcheck={false}
        readOnly={!armed}
        placeholder={armed ? undefined : t(chosen || narrow ? "pin-click-short" : "pin-click")}
        aria-invalid={wrong !== null}
        aria-describedby="pin-error pin-attempts pin-about"
        onPointerDown={() => pressCounts() && arm(true)}
        onKeyDown={dropRepeats}
        onFocus={() => {
          current.current = ref;
          if (cameByTab()) arm(true);
        }}
      />
    </>
  );
  const digit = (value: number) => (
    <button key={value} type="button" data-digit={value} onClick={() => type(value)}>
      {number(value)}
    </button>
  );
  const submitButton = (
    <button type="submit" id="pin-submit" class="primary">
      {t(chosen ? "pin-set" : "pin-submit")}
    </button>
  );
  const fields = (
    <>
      <p id="pin-about" class={chosen ? "note" : "note reassures"}>
        {about(asked)}
      </p>
      <div class="field">
        {field("pin", t(chosen ? "pin-new-label" : "pin-label"), first)}
        <button
          type="button"
          id="pin-pad-toggle"
          aria-expanded={pad}
          aria-controls="pin-pad"
          aria-label={t(pad ? "pin-pad-hide" : "pin-pad-show")}
          onClick={() => showPad(!pad)}
        >
          <PadIcon />
        </button>
      </div>
      {chosen && <div class="field">{field("pin-again", t("pin-repeat-label"), again)}</div>}
      <div id="pin-pad" role="group" aria-label={t("pin-pad-label")} hidden={!pad}>
        {pad && (
          <>
            {DIGITS.map(digit)}
            <button type="button" data-pad="erase" aria-label={t("pin-erase")} onClick={erase}>
              <EraseIcon />
            </button>
            {digit(0)}
            {submitButton}
          </>
        )}
      </div>
      {!pad && submitButton}
    </>
  );
  return (
    <form id="pin-form" data-tight={pad || chosen} data-bare={pad || (chosen && low)} autocomplete="off" noValidate onSubmit={submit}>
      <div class="said">
        <p id="pin-error" class="wrong" role="alert">
          {wrong}
        </p>
        {asked.attemptsLeft !== null && (
          <p id="pin-attempts" class={asked.attemptsLeft <= 1 ? "last" : ""}>
            {t("pin-attempts", { attempts: asked.attemptsLeft })}
          </p>
        )}
      </div>
      {!sure && (
        <>
          <p id="pin-few">{t("pin-few")}</p>
          <button
            type="button"
            id="pin-sure"
            onClick={() => {
              setSure(true);
              arm(true);
            }}
          >
            {t("pin-sure")}
          </button>
        </>
      )}
      {sure && fields}
    </form>
  );
}

/** A key that is held down too long, or that something lies on, would enter digits that are not seen. */
function dropRepeats(event: KeyboardEvent): void {
  if (event.repeat && event.key.length === 1) event.preventDefault();
}

/** What kind of PIN is asked for. */
function about({ why, least }: PinAsked): string {
  if (why === "new") return t("pin-new-about", { least });
  if (why === "change" || why === "unsuitable") return t(`pin-${why}-about`, { least });
  return t("pin-about");
}

/** What is wrong before anything was entered. */
function said({ why }: PinAsked): string | null {
  return why === "wrong" || why === "unsuitable" ? t(`pin-${why}`) : null;
}

/** Why this cannot be a PIN. A wrong one costs an attempt, so none is spent on what cannot be right. */
function unfit(pin: string, least: number): string | null {
  if (pin === "") return t("pin-empty");
  if ([...pin].length < least) return t("pin-short", { least });
  return new TextEncoder().encode(pin).length > LONGEST ? t("pin-long") : null;
}
