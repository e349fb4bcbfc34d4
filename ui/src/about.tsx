import type { DeviceSettings } from "./bindings";
import { Fact } from "./check";
import { FeedbackSettings } from "./settings";
import { SupportNote, useTeam } from "./support";
import { t } from "./text";

export function About({ version, settings }: { version: string; settings: DeviceSettings }) {
  const team = useTeam();
  return (
    <main data-page="about">
      <h1 tabIndex={-1}>{t("about-title")}</h1>
      <p class="lead">{t("about-what")}</p>
      <p>{t("about-private")}</p>
      <dl class="facts card">
        <Fact name={t("about-version")} id="version">
          {version}
        </Fact>
        <Fact name={t("about-licence")}>{t("about-licence-name")}</Fact>
      </dl>
      <FeedbackSettings />
      {settings !== "unmanaged" && (
        <p id="managed" class="note">
          {t("device-settings-managed", { team })}
        </p>
      )}
      <h2>{t("about-help")}</h2>
      <p>{t("about-help-next")}</p>
      <SupportNote />
    </main>
  );
}
