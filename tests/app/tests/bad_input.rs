//! Failures around the app: hostile text, a broken service, a second instance, a lost display. Each shows a
//! clear text and never a blank window.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vitalsign_app_tests::{App, DesktopServices, Page, Process, StandIn, Ward};
use vitalsign_e2e::wait_for;
use vitalsign_ipc::{AgentState, Answer, Hello, Reply, Stage, StepUp, encode};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up::Acr;

const MINUTE: Duration = Duration::from_secs(60);

/// Starts the app with this fake service.
fn app_with(
    treats: impl Fn(UnixStream) -> Result<()> + Send + Sync + 'static,
) -> Result<(App, StandIn, DesktopServices)> {
    let desk = DesktopServices::new()?;
    let service = StandIn::that(desk.folder(), treats)?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    Ok((app, service, desk))
}

/// It is lost in this way, and there are words about it.
fn lost(page: &Page, loss: &str) -> Result<()> {
    page.see(&format!("#lost[data-loss={loss}]"))?;
    let headline = if loss == "other-version" { "other-version" } else { "no-service" };
    page.see(&format!("#headline[data-kind={headline}]"))?;
    let words = page.text("#lost")?;
    ensure!(words.len() > 20, "{loss}: {words:?}");
    page.inspect(&format!("lost-{loss}"))
}

fn hang_until_they_leave(mut stream: UnixStream) -> Result<()> {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    Ok(())
}

#[test]
fn a_service_that_is_none_is_said_in_words() -> Result<()> {
    let desk = DesktopServices::new()?;
    let garbage = |mut stream: UnixStream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n<h1>no</h1>")?;
        hang_until_they_leave(stream)
    };
    let newer = |mut stream: UnixStream| {
        stream.write_all(&encode(&Hello { version: 2, ..Hello::ours() })?)?;
        hang_until_they_leave(stream)
    };
    let odd = |mut stream: UnixStream| {
        stream.write_all(&encode(&Hello::ours())?)?;
        stream.write_all(&encode(&json!({ "answer": { "status": { "standing": 7 } } }))?)?;
        hang_until_they_leave(stream)
    };
    let other = |mut stream: UnixStream| {
        stream.write_all(&encode(&Hello::ours())?)?;
        stream.write_all(&encode(&Reply::Answer(Answer::Keys(Vec::new())))?)?;
        hang_until_they_leave(stream)
    };
    let endless = |mut stream: UnixStream| {
        stream.write_all(&[0xff; 8])?;
        hang_until_they_leave(stream)
    };
    let hangs_up = |stream: UnixStream| {
        drop(stream);
        Ok(())
    };
    // One after the other in front of the same app: it finds each by itself.
    let mut service = StandIn::that(desk.folder(), garbage)?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    lost(&app.page, "garbled")?;
    drop(service);
    service = StandIn::that(desk.folder(), newer)?;
    lost(&app.page, "other-version")?;
    drop(service);
    service = StandIn::that(desk.folder(), odd)?;
    lost(&app.page, "garbled")?;
    drop(service);
    service = StandIn::that(desk.folder(), hangs_up)?;
    lost(&app.page, "busy")?;
    drop(service);
    service = StandIn::that(desk.folder(), other)?;
    lost(&app.page, "garbled")?;
    drop(service);
    lost(&app.page, "not-running")?;
    service = StandIn::that(desk.folder(), endless)?;
    lost(&app.page, "garbled")?;
    drop(service);
    // And a good one at last.
    service = StandIn::proper(desk.folder())?;
    app.page.gone("#lost")?;
    app.page.see("#headline[data-kind=not-enrolled]")?;
    app.page.inspect("status-not-enrolled")?;
    drop(service);
    Ok(())
}

#[test]
fn a_service_that_says_nothing_is_waited_for_in_words() -> Result<()> {
    let (app, _service, _desk) = app_with(hang_until_they_leave)?;
    lost(&app.page, "starting")?;
    // After a minute, by the service's own measure.
    wait_for("the silence to be noticed", 2 * MINUTE, || {
        Ok(app.page.has("#lost[data-loss=silent]")?.then_some(()))
    })?;
    lost(&app.page, "silent")
}

#[test]
fn a_service_that_talks_slowly_is_understood() -> Result<()> {
    let (app, _service, _desk) = app_with(|mut stream| {
        let mut status = serde_json::to_value(vitalsign_app_tests::nothing_known())?;
        status.as_object_mut().context("an object")?.insert("of_a_newer_service".to_owned(), json!([1, 2]));
        let wire = [encode(&Hello::ours())?, encode(&json!({ "answer": { "status": status } }))?].concat();
        // Sends one byte at a time; this is the tested input, not a wait.
        for byte in wire {
            stream.write_all(&[byte])?;
            std::thread::sleep(Duration::from_millis(5));
        }
        hang_until_they_leave(stream)
    })?;
    ensure!(!app.page.body()?.is_empty(), "a blank window");
    app.page.see("#headline[data-kind=not-enrolled]")?;
    app.page.gone("#lost")
}

fn asked(id: u8, message: &str) -> Result<StepUp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(StepUp {
        id: StepUpId::from_slice(&[id; 16]).context("an id")?,
        application: "EHR".to_owned(),
        user: "nurse-7".to_owned(),
        message: message.to_owned(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::HardwareKey,
        until: now + 300,
        pin_entered: None,
        stage: Stage::Tap,
    })
}

#[test]
fn hostile_text_is_shown_as_plain_text() -> Result<()> {
    let desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    let page = &app.page;
    page.run("window.harmed = []; addEventListener('securitypolicyviolation', it => harmed.push(it.violatedDirective))", &[])?;
    let long = "Verschreibung ".repeat(10_000 / 14 + 1);
    let unbroken = "x".repeat(10_000);
    let cases = [
        ("<img src=x onerror=\"harmed.push(1)\"><script>harmed.push(2)</script>&amp;", None),
        ("one\u{7}\u{1b}[31mtwo\u{0}", Some("one<U+0007><U+001B>[31mtwo<U+0000>")),
        ("pay \u{202e}001 EUR\u{2066}", Some("pay <U+202E>001 EUR<U+2066>")),
        ("{ $application } -brand { NUMBER(1) }", None),
        ("السجل الطبي: فتح ١٢", None),
        ("電子カルテ：処方に署名 ✓ żółć", None),
        ("first line\nsecond line", None),
        (long.trim(), None),
        (&unbroken, None),
    ];
    for (number, (message, shown)) in (1..).zip(cases) {
        let mut step_up = asked(number, message)?;
        step_up.application = format!("EHR {message}").chars().take(60).collect();
        step_up.user = format!("nurse {message}").chars().take(60).collect();
        step_up.authorization_details = Some(json!([{ "type": message }]));
        service.ask(vec![step_up])?;
        let wanted = shown.unwrap_or(message);
        let read = "document.querySelector('#prompt-message')?.textContent.replace(/[\\u2068\\u2069]/g, '')";
        page.until(
            &format!("{:?}", wanted.chars().take(40).collect::<String>()),
            &format!("{read}?.includes({})", json!(wanted)),
        )?;
        ensure!(page.run("return window.harmed", &[])? == json!([]), "something was obeyed");
        ensure!(!page.has("#prompt img")? && !page.has("#prompt script")?, "markup");
        // However much there is to read, there is a way out.
        page.tab_to("#decline")?;
        page.inspect(&format!("prompt-text-{number}"))?;
    }
    Ok(())
}

#[test]
fn accepted_text_is_shown_unchanged() -> Result<()> {
    let ward = Ward::open()?;
    let app = ward.app(&[])?;
    let most = "é".repeat(1000);
    for message in
        ["<b onclick=alert(1)>sign</b> & order", "署名: 注文 4711", "\u{26a0}\u{fe0f} allergy", &most]
    {
        let asked = ward.ask(message, &[])?;
        app.page.until(
            "the message",
            &format!("document.querySelector('#prompt-message')?.textContent.includes({})", json!(message)),
        )?;
        ensure!(!app.page.has("#prompt-message b")?, "markup");
        // Nothing changes until the person answers.
        app.page.read_to_end()?;
        app.page.see("#pin")?;
        app.page.click("#decline")?;
        ensure!(asked.end()? == "declined");
        app.page.gone("#prompt")?;
    }
    Ok(())
}

#[test]
fn a_second_app_shows_the_first_and_ends() -> Result<()> {
    let desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    let mut first = Process::start(&mut App::command(&desk, service.socket(), None, &["--background"])?)?;
    let screen = desk.screen()?;
    // It is there once it has taken its name on the bus: a second one would be the first otherwise.
    desk.until_on_the_bus("vitalsign")?;
    let mut quiet = Process::start(&mut App::command(&desk, service.socket(), None, &["--background"])?)?;
    quiet.until_ended()?;
    ensure!(screen.stacked()?.is_empty(), "a window came up");
    let mut second = Process::start(&mut App::command(&desk, service.socket(), None, &[])?)?;
    second.until_ended()?;
    let window = wait_for("the first app's window", MINUTE, || Ok(screen.stacked()?.first().copied()))?;
    wait_for("it to have the focus", MINUTE, || Ok((screen.active()? == Some(window)).then_some(())))?;
    ensure!(first.runs(), "the first one ended");
    ensure!(screen.stacked()?.len() == 1, "two windows");
    Ok(())
}

#[test]
fn without_a_display_it_ends_and_says_so() -> Result<()> {
    let mut desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    app.page.see("#headline")?;
    let process = app.process()?;
    let mut background = DesktopServices::new()?;
    let elsewhere = StandIn::proper(background.folder())?;
    let mut quiet =
        Process::start(&mut App::command(&background, elsewhere.socket(), None, &["--background"])?)?;
    background.until_on_the_bus("vitalsign")?;

    desk.lose_display();
    process.until_ended()?;
    background.lose_display();
    quiet.until_ended()?;
    // The same without a service.
    let mut none = App::command(&desk, service.socket(), None, &[])?;
    none.env_remove("DISPLAY");
    let mut none = Process::start(&mut none)?;
    none.until_ended()?;
    let said = std::fs::read_to_string(desk.log_path("app"))?;
    ensure!(said.contains("vitalsign-app"), "{said}");
    Ok(())
}

/// Requests and standings that the page shows besides: no view leaves it blank.
#[test]
fn every_standing_has_words() -> Result<()> {
    let desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    let detail = || "<b>no</b> \u{202e}way".to_owned();
    for (standing, kind) in [
        (AgentState::Enrolling, "enrolling"),
        (AgentState::Starting, "no-verdict"),
        (AgentState::Revoked, "revoked"),
        (AgentState::Refused { problem: "urn:x".to_owned(), detail: detail() }, "refused"),
        (AgentState::KeyTrouble { detail: detail() }, "key-trouble"),
        (AgentState::Offline { since: 1_700_000_000, detail: detail() }, "no-verdict"),
    ] {
        service.say(|status| status.standing = standing)?;
        app.page.see(&format!("#headline[data-kind={kind}]"))?;
        ensure!(!app.page.has("main b")?, "markup");
        app.page.inspect(&format!("status-{kind}"))?;
    }
    Ok(())
}
