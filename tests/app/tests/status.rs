//! Device status in the app's real web view.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;
use vitalsign_app_tests::{DesktopServices, Page, Ward};
use vitalsign_e2e::network::{CLOSED, OPEN, in_a_network_of_its_own, nft};
use vitalsign_e2e::{Testbed, wait_for};

/// Of a test machine's facts only the packet filter can be fixed, so this policy requires only that.
const POLICY: &str = r#"
package vitalsign

import rego.v1

checks["firewall-inbound"] := {
	"submodule": "firewall",
	"seen": {"inbound_blocked": closed},
	"outcome": firewall,
}

default closed := null

closed := input.posture.firewall.inbound_blocked.known

firewall := {"status": "affirming", "reason": "ok", "claims": {"configuration": 2}} if {
	closed == true
} else := {"status": "contraindicated", "reason": "off", "claims": {"configuration": 96}}

checks["agent-version"] := {
	"submodule": "agent",
	"seen": {},
	"outcome": {"status": "affirming", "reason": "ok", "claims": {"configuration": 2}},
}
"#;

fn headline(page: &Page, kind: &str) -> Result<()> {
    page.see(&format!("#headline[data-kind={kind}]"))
}

/// A part of what the app has told the page, by its path.
fn told(page: &Page, path: &str) -> Result<serde_json::Value> {
    let view = page.invoke("view", &json!({}))?.map_err(anyhow::Error::msg)?;
    view.pointer(path).cloned().with_context(|| format!("no {path}"))
}

#[test]
fn fixed_check_turns_good_without_reload() -> Result<()> {
    in_a_network_of_its_own("fixed_check_turns_good_without_reload", mended)
}

fn mended() -> Result<()> {
    let ward = Ward::in_testbed(Testbed::with_policy(POLICY)?)?;
    let app = ward.app(&[])?;
    let page = &app.page;
    headline(page, "attention")?;
    page.see("#headline[data-tone=blocked]")?;
    page.see("li[data-check=firewall-inbound][data-tone=blocked]")?;
    page.inspect("status-attention")?;
    page.run("window.sameDocument = true", &[])?;

    nft(CLOSED)?;
    headline(page, "healthy")?;
    page.see("#headline[data-tone=good]")?;
    page.until(
        "the check to be good",
        "document.querySelector('li[data-check=firewall-inbound]')?.dataset.tone === 'good'",
    )?;
    page.inspect("status-healthy")?;

    nft(OPEN)?;
    headline(page, "attention")?;
    page.see("li[data-check=firewall-inbound][data-tone=blocked]")?;
    ensure!(page.run("return window.sameDocument", &[])? == json!(true), "the page was reloaded");
    Ok(())
}

#[test]
fn settings_open_from_a_remedy() -> Result<()> {
    in_a_network_of_its_own("settings_open_from_a_remedy", settings)
}

fn settings() -> Result<()> {
    let ward = Ward::at(DesktopServices::new()?.on_desktop("KDE"), Testbed::with_policy(POLICY)?)?;
    let opened = ward.desk.folder().join("opened");
    let entries = ward.desk.folder().join("data/applications");
    std::fs::create_dir_all(&entries)?;
    let install = |program: &str| {
        let entry = format!(
            "[Desktop Entry]\nType=Application\nName=Firewall\nExec={program} {}\n",
            opened.display()
        );
        std::fs::write(entries.join("kcm_firewall.desktop"), entry)
    };
    let button = "li[data-check=firewall-inbound] button[data-settings=firewall]";

    // Its program is not installed.
    install("vitalsign-no-such-program")?;
    let app = ward.app(&[])?;
    app.page.see("li[data-check=firewall-inbound][data-tone=blocked]")?;
    ensure!(!app.page.has("button[data-settings]")?, "a page of settings that is not there is offered");
    drop(app);

    install("touch")?;
    let app = ward.app(&[])?;
    let page = &app.page;
    page.see(button)?;
    page.inspect("status-settings")?;
    page.click(button)?;
    wait_for("the settings", Duration::from_secs(60), || Ok(opened.exists().then_some(())))?;
    // Only pages of the list can be opened.
    for asked in ["updates; touch x", "kcm_firewall.desktop", ""] {
        let action = json!({ "action": { "do": "open-settings", "page": asked } });
        ensure!(page.invoke("act", &action)?.is_err(), "{asked:?} was accepted");
    }

    // It was removed meanwhile: the button goes, and diagnostics say why.
    install("vitalsign-no-such-program")?;
    page.click(button)?;
    page.gone(button)?;
    let said = page.invoke("diagnostics", &json!({}))?.map_err(anyhow::Error::msg)?;
    ensure!(said.to_string().contains("cannot be opened"), "{said}");
    Ok(())
}

#[test]
fn attention_shows_remedies_and_checks_again() -> Result<()> {
    let ward = Ward::without_a_key()?;
    let app = ward.app(&[])?;
    let page = &app.page;
    headline(page, "attention")?;
    // The TPM is one of software, whatever else this machine is.
    page.see("li[data-check=key-hardware]:not([data-tone=good], [data-tone=unknown])")?;
    let status = ward.agent.status()?.context("no status")?;
    let judged = status.ear.as_ref().context("no verdict")?.checks().count();
    let shown = page.run("return document.querySelectorAll('li[data-check]').length", &[])?;
    ensure!(shown == json!(judged), "{shown} of {judged} checks");
    page.inspect("status-all-checks")?;

    // Every change of the button while it is busy, so that none is missed between two looks.
    page.run(
        "window.busy = [];
         const look = () => window.busy.push(document.querySelector('#check-again')?.getAttribute('aria-busy') ?? 'none');
         new MutationObserver(look).observe(document.body, { subtree: true, attributes: true, childList: true })",
        &[],
    )?;
    let before = told(page, "/device/reportedAt")?.as_u64();
    page.click("#check-again")?;
    page.until("progress to be shown", "window.busy.includes('true')")?;
    page.until(
        "no more progress",
        "document.querySelector('#check-again').getAttribute('aria-busy') !== 'true'",
    )?;
    // Reports have whole seconds.
    vitalsign_e2e::wait_for("a newer report", std::time::Duration::from_secs(60), || {
        if told(page, "/device/reportedAt")?.as_u64() > before {
            return Ok(Some(()));
        }
        page.click("#check-again")?;
        Ok(None)
    })?;

    page.press("#diagnostics-show")?;
    page.until("the diagnostics", "document.querySelector('#diagnostics')?.value.includes('verifier')")?;
    page.see("#copy-diagnostics")?;
    let diagnostics = page.run("return document.querySelector('#diagnostics').value", &[])?.to_string();
    ensure!(!diagnostics.contains("PRIVATE KEY") && diagnostics.contains("vitalsign-app"), "{diagnostics}");
    page.inspect("status-diagnostics")?;
    page.press("#send-diagnostics")?;
    page.see("#sent[data-sent=sent]")?;
    let said = page.run("return document.querySelector('#sent').innerText", &[])?.to_string();
    let reference =
        said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).find(|it| it.starts_with("R-"));
    let received =
        ward.testbed.administer(&["device", "diagnostics", reference.context("no number")?, "--json"])?;
    let received: serde_json::Value = serde_json::from_str(&received)?;
    let shown = page.run("return document.querySelector('#diagnostics').value", &[])?;
    ensure!(received.get("text") == Some(&shown), "{received} {shown}");

    // axe must be able to find something.
    page.run(
        "document.body.append(Object.assign(document.createElement('img'), { id: 'bad', src: '' }))",
        &[],
    )?;
    let found = page.violations()?;
    ensure!(found.iter().any(|it| it.get("rule") == Some(&json!("image-alt"))), "axe is blind: {found:?}");
    page.run("document.getElementById('bad').remove()", &[])?;

    page.click("#nav-about")?;
    page.see("main[data-page=about]")?;
    page.inspect("about")
}

#[test]
fn shows_lost_service_and_verifier_and_their_return() -> Result<()> {
    let mut ward = Ward::without_a_key()?;
    let app = ward.app(&[])?;
    let page = &app.page;
    headline(page, "attention")?;

    ward.stop_service();
    page.see("#lost[data-loss=not-running]")?;
    headline(page, "no-service")?;
    ensure!(page.text("#lost")?.len() > 20, "no words");
    page.inspect("status-no-service")?;
    ward.start_service()?;
    page.gone("#lost")?;
    headline(page, "attention")?;

    ward.testbed.verifier = None;
    page.click("#check-again")?;
    let contact = |kind: &str| {
        vitalsign_e2e::wait_for(kind, std::time::Duration::from_secs(60), || {
            Ok((told(page, "/device/contact/kind")? == json!(kind)).then_some(()))
        })
    };
    contact("offline")?;
    // The last verdict remains visible, with a note.
    headline(page, "attention")?;
    page.until("a word about it", "document.body.innerText.toLowerCase().includes('offline')")?;
    page.inspect("status-offline")?;
    ward.testbed.start_verifier()?;
    ward.agent.run(&["report"])?;
    contact("reached")?;
    headline(page, "attention")?;
    page.until("no word of it", "!document.body.innerText.toLowerCase().includes('offline')")?;

    // It was never there.
    drop(app);
    ward.stop_service();
    let app = ward.app(&[])?;
    app.page.see("#lost[data-loss=not-running]")?;
    headline(&app.page, "no-service")
}
