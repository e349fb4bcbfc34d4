//! Remedies, their order, and the ways to reach IT, as the page is told them.

use super::*;
use serde_json::json;
use vitalsign_ipc::{Guidance, OrganisationTexts};
use vitalsign_protocol::check::{Desktop, Fixers};
use vitalsign_protocol::ear::{Appraisal, Check, Tier, TrustVector};
use vitalsign_protocol::organisation::Support;

fn told(texts: serde_json::Value, desktop: Option<Desktop>, guidance: Guidance) -> view::DeviceView {
    let check = |name: &str, status, reason: &str| Check {
        check: name.into(),
        status,
        reason: reason.into(),
        seen: serde_json::Map::new(),
        since: None,
        deadline: None,
    };
    let checks = vec![
        check("disk-encryption", Tier::Contraindicated, "off"),
        check("lock-idle", Tier::Warning, "too-long"),
        check("edr-protecting", Tier::Contraindicated, "missing"),
        check("boot-secure", Tier::Warning, "unreadable"),
        check("agent-version", Tier::Affirming, "ok"),
    ];
    let appraisal = Appraisal::new(TrustVector::default(), checks, "default");
    let mut ear = Ear { ear_status: Some(appraisal.ear_status), ..Ear::default() };
    ear.submods.insert("os".into(), appraisal);
    let words =
        OrganisationTexts { texts: serde_json::from_value(texts).unwrap(), ..OrganisationTexts::default() };
    // This desktop has no firewall settings.
    let settings = vec![view::SettingsPage::Updates, view::SettingsPage::ScreenLock];
    let mut model = Model::new(String::new()).on_desktop(desktop).with_settings(settings);
    model.on(Happened::Organisation(Box::new(words)), NOW);
    let status = Box::new(Status { ear: Some(ear), guidance, ..*status(Vec::new()) });
    model.on(Happened::Shown(UiUpdate::Status { status, changed: Vec::new() }), NOW);
    model.view(NOW).device
}

fn remedies(device: &view::DeviceView) -> Vec<(&str, &str)> {
    device.checks.iter().map(|it| (it.code.as_str(), it.remedy.as_str())).collect()
}

#[test]
fn own_problems_come_first_with_steps() {
    let device = told(json!({}), Some(Desktop::Gnome), Guidance::default());
    assert_eq!(
        remedies(&device),
        [
            ("lock-idle", "check-lock-idle-remedy-too-long"),
            ("disk-encryption", "check-disk-encryption-remedy"),
            ("edr-protecting", "check-edr-protecting-remedy-missing"),
            ("boot-secure", "remedy-unreadable"),
            ("agent-version", "check-agent-version-remedy"),
        ]
    );
    let steps = ["check-lock-idle-remedy-too-long-gnome-1", "check-lock-idle-remedy-too-long-gnome-2"];
    assert_eq!(device.checks[0].steps, steps);
    assert_eq!(device.headline, view::Headline::Attention { things: 4, yours: 1 });
}

#[test]
fn managed_device_leaves_everything_to_it() {
    let support = Support { phone: Some("ext. 1234".into()), ..Support::default() };
    let fixers = Fixers { managed: true, user_may_fix: None };
    let guidance = Guidance { support, fixers, ..Guidance::default() };
    let device = told(json!({}), Some(Desktop::Gnome), guidance);
    assert_eq!(device.headline, view::Headline::Attention { things: 4, yours: 0 });
    assert_eq!(device.support.phone.as_deref(), Some("ext. 1234"));
    assert!(device.checks.iter().all(|it| it.remediator == view::Remediator::It && it.steps.is_empty()));
}

#[test]
fn texts_of_the_organisation_reach_the_page() {
    let texts = json!({"edr-protecting": {"title": "Guard", "remedy": "Call ext. 9.", "steps": ["Wait."]}});
    let device = told(texts, None, Guidance::default());
    let guard = device.checks.iter().find(|it| it.code == "edr-protecting").unwrap();
    assert_eq!(guard.own.title.as_deref(), Some("Guard"));
    assert_eq!(
        (guard.own.remedy.as_deref(), &guard.own.steps[..]),
        (Some("Call ext. 9."), &["Wait.".to_owned()][..])
    );
}

#[test]
fn settings_are_offered_for_what_the_person_fixes() {
    let screen_lock = Some(view::SettingsPage::ScreenLock);
    let offered = |texts, guidance| -> Vec<(String, Option<view::SettingsPage>)> {
        let device = told(texts, None, guidance);
        device
            .checks
            .into_iter()
            .filter(|it| it.settings.is_some())
            .map(|it| (it.code, it.settings))
            .collect()
    };
    let nothing: Vec<(String, Option<view::SettingsPage>)> = Vec::new();
    assert_eq!(offered(json!({}), Guidance::default()), [("lock-idle".to_owned(), screen_lock)]);
    let fixers = Fixers { managed: true, user_may_fix: None };
    assert_eq!(offered(json!({}), Guidance { fixers, ..Guidance::default() }), nothing);
    // The organisation tells another way.
    let remedy = json!({"lock-idle": {"remedy": "Ask at the desk."}});
    assert_eq!(offered(remedy, Guidance::default()), nothing);
}

#[test]
fn refused_settings_are_shown_before_managed_ones() {
    let shown = |managed: &[&str], refused: Option<&str>| {
        let managed = managed.iter().map(|&it| it.to_owned()).collect();
        let settings = vitalsign_ipc::SettingsState { managed, refused: refused.map(str::to_owned) };
        let mut model = Model::new(String::new());
        let status = Box::new(Status { settings, ..*status(Vec::new()) });
        model.on(Happened::Shown(UiUpdate::Status { status, changed: Vec::new() }), NOW);
        model.view(NOW).device.settings
    };
    assert_eq!(shown(&[], None), view::DeviceSettings::Unmanaged);
    assert_eq!(shown(&["key"], None), view::DeviceSettings::Managed);
    assert_eq!(shown(&["key"], Some("agent.toml:1:1")), view::DeviceSettings::Refused);
    assert_eq!(shown(&[], Some("agent.toml:1:1")), view::DeviceSettings::Refused);
}

#[test]
fn downtime_reaches_the_page_as_plain_text() {
    let mut model = Model::new(String::new());
    assert_eq!(model.view(NOW).organisation.downtime, None);
    let words = json!({"downtime": {"text": "Paper\u{202e} <b>form</b>", "phone": "ext. 9"}});
    model.on(Happened::Organisation(serde_json::from_value(words).unwrap()), NOW);
    let downtime = model.view(NOW).organisation.downtime.unwrap();
    assert_eq!(downtime.text, "Paper<U+202E> <b>form</b>");
    assert_eq!(downtime.phone.as_deref(), Some("ext. 9"));
    model.on(Happened::Organisation(Box::default()), NOW);
    assert_eq!(model.view(NOW).organisation.downtime, None, "it was withdrawn");
}
