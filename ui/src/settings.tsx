// The person's own settings: where they are changed, and where the PIN pad finds its own.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { AppSettings } from "./bindings";
import { act } from "./ipc";
import { t } from "./text";

export const SettingsContext = createContext<AppSettings>({ checkMark: true, requestTone: true, tones: true, pinPad: null });

export const useSettings = (): AppSettings => useContext(SettingsContext);

/** Keeps settings for later sessions. */
export const keep = (settings: AppSettings): void => void act({ do: "set", settings });

const FEEDBACK = ["requestTone", "checkMark", "tones"] as const;

export function FeedbackSettings() {
  const settings = useSettings();
  return (
    <section aria-labelledby="settings-title">
      <h2 id="settings-title">{t("settings-title")}</h2>
      <div class="card settings">
        {FEEDBACK.map((name) => (
          <button
            key={name}
            type="button"
            id={`settings-${name}`}
            role="switch"
            aria-checked={settings[name]}
            onClick={() => keep({ ...settings, [name]: !settings[name] })}
          >
            {t(`settings-${name}`)}
          </button>
        ))}
      </div>
    </section>
  );
}
