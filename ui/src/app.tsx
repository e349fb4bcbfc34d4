// Everything that is on the screen: a step-up before every page, else the page that was opened.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { About } from "./about";
import { Announcer } from "./announce";
import type { Page, View } from "./bindings";
import { DeviceCodeContext } from "./code";
import { FlashOverlay, useEndTone } from "./flash";
import { act } from "./ipc";
import { KeysPage } from "./keys";
import { OrganisationBar } from "./organisation";
import { PromptPage } from "./prompt";
import type { Draft } from "./register";
import { SettingsContext } from "./settings";
import { Status } from "./status";
import { DowntimeContext, SupportContext } from "./support";
import { reachable, t } from "./text";

const PAGES: Page[] = ["status", "keys", "about"];

export function App({ view, version }: { view: View; version: string }) {
  const { prompt, page } = view;
  const draft = useRef<Draft>({ code: "", name: "" });
  const ended = prompt?.step.kind === "ended";
  reachable(view.device.support);
  useFocus(prompt ? `${prompt.id} ${ended}` : null, `${prompt?.step.kind} ${view.registration.kind}`);
  useEffect(() => {
    document.title = prompt && !ended ? t("title-prompt", { application: prompt.application }) : t(`title-${ended ? "ended" : page}`);
  }, [prompt?.id, ended, page]);
  useEndTone(view);
  return (
    <SettingsContext.Provider value={view.settings}>
      <SupportContext.Provider value={view.device.support}>
        <DeviceCodeContext.Provider value={view.device.deviceCode}>
          <DowntimeContext.Provider value={view.organisation.downtime}>
            <OrganisationBar organisation={view.organisation} />
            {prompt ? (
              <PromptPage prompt={prompt} device={view.device} covers={view.covers} marked={view.flash !== null} />
            ) : (
              <>
                <Nav page={page} />
                {page === "status" && <Status device={view.device} lost={view.lost} />}
                {page === "keys" && <KeysPage view={view} draft={draft.current} />}
                {page === "about" && <About version={version} settings={view.device.settings} />}
              </>
            )}
          </DowntimeContext.Provider>
        </DeviceCodeContext.Provider>
        <Announcer />
        <FlashOverlay view={view} />
      </SupportContext.Provider>
    </SettingsContext.Provider>
  );
}

function Nav({ page }: { page: Page }) {
  return (
    <nav aria-label={t("nav-label")}>
      {PAGES.map((it) => (
        <button
          key={it}
          type="button"
          id={`nav-${it}`}
          aria-current={it === page ? "page" : undefined}
          onClick={() => void act({ do: "open", page: it })}
        >
          {t(`nav-${it}`)}
        </button>
      ))}
    </nav>
  );
}

/**
 * Where the keyboard is: at a prompt's heading as it comes and as it ends, and back where it was when it is gone. What
 * was in focus and went away leaves it at the heading, not nowhere.
 */
function useFocus(prompt: string | null, step: string): void {
  const before = useRef<string | null>(null);
  const was = useRef("");
  // Read before the page is redrawn, which removes it.
  if (prompt !== null && before.current === null) was.current = document.activeElement?.id ?? "";
  useLayoutEffect(() => {
    if (before.current === prompt) return;
    const back = prompt === null ? document.getElementById(was.current) : null;
    before.current = prompt;
    (back ?? heading())?.focus();
  }, [prompt]);
  useEffect(() => {
    if (prompt !== null && document.activeElement === document.body) heading()?.focus();
  }, [step]);
}

const heading = () => document.querySelector<HTMLElement>("h1");
