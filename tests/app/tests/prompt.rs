//! Step-ups as a person sees them, in the app's real web view: an application asks, the prompt takes the window over,
//! and what the person does is what the application hears.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use vitalsign_app_tests::{App, Hand, PIN, Page, Ward};
use vitalsign_e2e::Asked;

const HEALTHY: [&str; 2] = ["--acr", "healthy-device"];

/// Waits until the prompt is at this step.
fn step(page: &Page, step: &str) -> Result<()> {
    page.see(&format!("#prompt[data-step={step}]"))
}

/// Waits until it has ended so.
fn ended(page: &Page, end: &str) -> Result<()> {
    page.see(&format!("#prompt[data-step=ended][data-end={end}]"))
}

/// Enters this PIN, as soon as one is asked for.
fn enter_pin(page: &Page, pin: &str) -> Result<()> {
    step(page, "pin")?;
    page.fill("#pin", pin)?;
    page.click("#pin-submit")
}

/// Once the key is asked for its PIN before the touch and once after it: what comes first is the key's matter.
fn approve(ward: &mut Ward, page: &Page) -> Result<()> {
    enter_pin(page, PIN)?;
    step(page, "touch")?;
    ward.key.tap()?;
    over(page)
}

/// The prompt has gone, and what was there before is there again.
fn over(page: &Page) -> Result<()> {
    page.gone("#prompt")?;
    page.see("main[data-page=status] #headline")
}

/// Puts an end away that was read, unless it has gone by itself meanwhile.
fn put_away(page: &Page) -> Result<()> {
    page.until_calm()?;
    page.run("document.querySelector('#dismiss')?.click()", &[])?;
    over(page)
}

/// The mark of this result covers the page, and is gone again.
fn marked(page: &Page, end: &str) -> Result<()> {
    let seen = format!("window.marks?.includes({})", json!(end));
    page.until(&format!("a mark: {end}"), &seen)?;
    page.gone("#flash")
}

/// Notes each mark that is shown, however short.
fn note_marks(page: &Page) -> Result<()> {
    page.run(
        "window.marks = [];
         new MutationObserver(() => {
           const mark = document.querySelector('#flash')?.dataset.end;
           if (mark && marks.at(-1) !== mark) marks.push(mark);
         }).observe(document.body, { childList: true, subtree: true })",
        &[],
    )
    .map(drop)
}

/// The application has its token, and the approval can be proved.
fn is_approved(ward: &Ward, asked: Asked, message: &str) -> Result<()> {
    let outcome = asked.outcome()?;
    ensure!(outcome.get("step_up") == Some(&json!("approved")), "{outcome}");
    let entry = outcome.pointer("/id_claims/vitalsign_audit").and_then(Value::as_u64);
    let proof = ward.testbed.prove(&entry.context("no audit entry")?.to_string())?;
    ensure!(proof.get("holds") == Some(&json!(true)), "{proof}");
    ensure!(proof.pointer("/findings/says/transaction/message") == Some(&json!(message)), "{proof}");
    Ok(())
}

/// The app at a device whose user has a key.
fn opened() -> Result<(Ward, App)> {
    let ward = Ward::open()?;
    let app = ward.app(&[])?;
    app.page.see("main[data-page=status] #headline[data-kind=attention]")?;
    Ok((ward, app))
}

#[test]
fn a_tap_and_a_pin_approve_it_and_the_status_is_back() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    let message = "EHR: sign order 4711";
    let asked = ward.ask(message, &[])?;
    step(page, "pin")?;
    ensure!(page.text("#prompt-message")?.contains(message));
    ensure!(page.text("#prompt-application")?.contains("EHR"));
    ensure!(page.text("#prompt-user")?.contains(vitalsign_app_tests::USER));
    for part in ["#prompt-device", "#prompt-level", "#prompt-time", "#decline", "#not-mine"] {
        page.see(part)?;
    }
    page.inspect("prompt-pin")?;
    // What is typed before a press on the field is meant for another window.
    page.until_calm()?;
    page.type_keys("dose 10 mg\u{e007}")?;
    ensure!(page.run("return document.querySelector('#pin').value", &[])? == json!(""), "typed unasked");
    page.fill("#pin", PIN)?;
    note_marks(page)?;
    page.click("#pin-submit")?;
    step(page, "touch")?;
    page.inspect("prompt-touch")?;
    ensure!(!page.has("#pin")?, "a PIN is still to be seen");
    ward.key.tap()?;
    marked(page, "approved")?;
    over(page)?;
    is_approved(&ward, asked, message)?;

    // With the pad, as on a tablet: no key of the keyboard is touched.
    let message = "EHR: sign order 4712";
    let asked = ward.ask(message, &[])?;
    step(page, "pin")?;
    ensure!(page.run("return document.querySelector('#pin').value", &[])? == json!(""), "the last PIN");
    if !page.has("button[data-digit='1']")? {
        page.click("#pin-pad-toggle")?;
    }
    page.inspect("prompt-pin-pad")?;
    for digit in PIN.chars() {
        page.click(&format!("button[data-digit='{digit}']"))?;
    }
    page.click("button[data-digit='9']")?;
    page.click("button[data-pad=erase]")?;
    page.click("#pin-submit")?;
    step(page, "touch")?;
    ward.key.tap()?;
    over(page)?;
    is_approved(&ward, asked, message)
}

#[test]
fn key_is_asked_once_the_text_was_read() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    let message = "EHR: sign order 4711. ".repeat(45);
    let message = message.trim_end();
    let asked = ward.ask(message, &[])?;
    page.see("#prompt .live[data-unread=true]")?;
    let scroll =
        "const it = document.querySelector('#prompt-message'); it.scrollTop = it.scrollHeight * arguments[0]";
    page.run(scroll, &[json!(0.5)])?;
    page.inspect("prompt-unread")?;
    page.see("#prompt[data-step=preparing] .live[data-unread=true]")?;
    page.run(scroll, &[json!(1)])?;
    approve(&mut ward, page)?;
    is_approved(&ward, asked, message)
}

#[test]
fn application_receives_the_persons_answer() -> Result<()> {
    let (ward, app) = opened()?;
    let page = &app.page;
    let asked = ward.ask("EHR: sign order 4713", &[])?;
    step(page, "pin")?;
    note_marks(page)?;
    page.click("#decline")?;
    ensure!(asked.end()? == "declined");
    marked(page, "declined")?;
    over(page)?;

    let asked = ward.ask("EHR: open record 12", &[])?;
    step(page, "pin")?;
    // In two steps, and the first can be taken back.
    page.click("#not-mine")?;
    page.see("#report-panel")?;
    page.inspect("prompt-report")?;
    ensure!(page.attribute("#decline", "aria-disabled")? == "true");
    page.click("#report-back")?;
    page.see("#pin")?;
    page.click("#not-mine")?;
    page.click("#report")?;
    ensure!(asked.end()? == "not-mine");
    page.until(
        "an end or none",
        "!document.querySelector('#prompt') || document.querySelector('#prompt[data-end=not-mine]')",
    )?;
    if page.has("#prompt[data-end=not-mine]")? {
        page.inspect("prompt-ended-not-mine")?;
    }
    put_away(page)?;
    // Security people find it.
    let audit = ward.testbed.administer(&["audit", "list", "--json"])?;
    ensure!(audit.contains("not-mine"), "{audit}");

    let asked = ward.ask("EHR: no answer", &["--expires", "5"])?;
    step(page, "pin")?;
    ensure!(asked.end()? == "timed-out");
    ended(page, "timed-out")?;
    // The user's name must be gone.
    let body = page.body()?;
    ensure!(!body.contains("no answer") && !body.contains(vitalsign_app_tests::USER), "{body}");
    page.inspect("prompt-ended-timed-out")?;
    put_away(page)
}

#[test]
fn wrong_pin_shows_attempts_and_right_one_succeeds() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    let message = "EHR: sign order 4714";
    let asked = ward.ask(message, &[])?;
    enter_pin(page, "654321")?;
    page.see("#pin-attempts")?;
    page.until("seven attempts", "document.querySelector('#pin-attempts')?.innerText.includes('7')")?;
    ensure!(page.run("return document.querySelector('#pin').value", &[])? == json!(""), "the wrong PIN");
    page.inspect("prompt-pin-wrong")?;
    approve(&mut ward, page)?;
    is_approved(&ward, asked, message)?;

    // Three wrong ones: the key takes no more until it is taken out.
    let asked = ward.ask("EHR: sign order 4715", &[])?;
    for left in [7, 6] {
        enter_pin(page, "654321")?;
        page.until(
            &format!("{left} attempts"),
            &format!("document.querySelector('#pin-attempts')?.innerText.includes('{left}')"),
        )?;
    }
    enter_pin(page, "654321")?;
    ended(page, "pin-blocked")?;
    ensure!(asked.end()? == "pin-blocked");
    page.see("#trouble[data-kind=reinsert]")?;
    page.inspect("prompt-ended-pin-blocked")?;
    put_away(page)
}

#[test]
fn unhealthy_device_shows_reasons_without_prompt() -> Result<()> {
    let (ward, app) = opened()?;
    let page = &app.page;
    let taps = ward.key.taps_wanted();
    let asked = ward.ask("EHR: sign order 4716", &HEALTHY)?;
    ensure!(asked.end()? == "unhealthy");
    ended(page, "unhealthy")?;
    page.see("#prompt li[data-check=key-hardware]")?;
    ensure!(!page.has("#pin")? && !page.has("#decline")?, "something is asked");
    ensure!(ward.key.taps_wanted() == taps, "the key was asked");
    page.inspect("prompt-ended-unhealthy")?;
    put_away(page)
}

#[test]
fn the_second_request_is_shown_after_the_first() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    let first = ward.ask("EHR: first", &[])?;
    step(page, "pin")?;
    ensure!(!page.has("#prompt-waiting")?, "no step-up is waiting yet");
    let second = ward.ask("EHR: second", &[])?;
    page.see("#prompt-waiting")?;
    ensure!(page.text("#prompt-message")?.contains("first"));
    page.inspect("prompt-two")?;
    enter_pin(page, PIN)?;
    step(page, "touch")?;
    ward.key.tap()?;
    page.until("the second", "document.querySelector('#prompt-message')?.innerText.includes('second')")?;
    is_approved(&ward, first, "EHR: first")?;
    page.gone("#prompt-waiting")?;
    approve(&mut ward, page)?;
    is_approved(&ward, second, "EHR: second")
}

#[test]
fn end_is_shown_before_the_next_step_up() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    let first = ward.ask("EHR: first", &["--expires", "15"])?;
    step(page, "pin")?;
    note_marks(page)?;
    let second = ward.ask("EHR: second", &[])?;
    page.see("#prompt-waiting")?;
    page.run(
        "window.below = false;
         new MutationObserver(() => {
           window.below ||= document.querySelector('#flash') !== null && document.querySelector('#pin') !== null;
         }).observe(document.body, { childList: true, subtree: true })",
        &[],
    )?;
    marked(page, "timed-out")?;
    ensure!(first.end()? == "timed-out");
    step(page, "pin")?;
    ensure!(page.run("return window.below", &[])? == json!(false), "the key is asked below the mark");
    approve(&mut ward, page)?;
    is_approved(&ward, second, "EHR: second")
}

#[test]
fn held_key_enters_one_digit() -> Result<()> {
    let (ward, app) = opened()?;
    let page = &app.page;
    let asked = ward.ask("EHR: sign order 4717", &[])?;
    step(page, "pin")?;
    page.click("#pin")?;
    page.run("window.downs = 0; addEventListener('keydown', () => window.downs++, true)", &[])?;
    // The display server repeats it.
    let hand = Hand::open(ward.desk.display())?;
    hand.hold('1', true)?;
    page.until("the key to be repeated", "window.downs > 5")?;
    hand.hold('1', false)?;
    ensure!(
        page.run("return document.querySelector('#pin').value", &[])? == json!("1"),
        "more than one digit"
    );
    page.click("#decline")?;
    ensure!(asked.end()? == "declined");
    over(page)
}

#[test]
fn all_of_it_goes_by_keyboard_alone() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    // Between pages, and back.
    page.press("#nav-keys")?;
    page.see("main[data-page=keys] #register-code")?;
    page.press("#nav-about")?;
    page.see("main[data-page=about]")?;
    page.press("#nav-status")?;
    page.see("main[data-page=status]")?;
    page.tab_to("#check-again")?;

    // The PIN field never has the focus by itself.
    let message = "EHR: by keyboard";
    let asked = ward.ask(message, &[])?;
    step(page, "pin")?;
    page.tab_to("#pin")?;
    page.type_keys(PIN)?;
    page.press_enter()?;
    step(page, "touch")?;
    ward.key.tap()?;
    over(page)?;
    is_approved(&ward, asked, message)?;

    for (button, end) in [("#decline", "declined"), ("#not-mine", "not-mine")] {
        let asked = ward.ask(&format!("EHR: {end} by keyboard"), &[])?;
        step(page, "pin")?;
        page.press(button)?;
        if end == "not-mine" {
            page.press("#report")?;
        }
        ensure!(asked.end()? == end, "{end}");
        page.until(
            "an end or none",
            "!document.querySelector('#prompt') || document.querySelector('#dismiss')",
        )?;
        if page.has("#dismiss")? {
            page.press("#dismiss")?;
        }
        over(page)?;
    }
    let asked = ward.ask("EHR: healthy only", &HEALTHY)?;
    ensure!(asked.end()? == "unhealthy");
    ended(page, "unhealthy")?;
    page.press("#dismiss")?;
    over(page)
}

/// The page never receives the challenge, the relying party or a PIN.
#[test]
fn page_never_receives_challenge_rp_or_pin() -> Result<()> {
    let (mut ward, app) = opened()?;
    let page = &app.page;
    page.run(
        "window.heard = [];
         const keep = window.__TAURI_INTERNALS__.transformCallback(event => window.heard.push(JSON.stringify(event)));
         return window.__TAURI_INTERNALS__.invoke('plugin:event|listen', { event: 'view', target: { kind: 'Any' }, handler: keep }).then(() => 1)",
        &[],
    )?;
    let message = "EHR: nothing secret";
    let asked = ward.ask(message, &[])?;
    step(page, "pin")?;
    // Options that the service gives to a session program.
    let (_, ceremony) = vitalsign_e2e::Hand::at(&ward.agent).ceremony(message)?;
    let texts = page.invoke("texts", &json!({}))?.map_err(anyhow::Error::msg)?;
    let diagnostics = page.invoke("diagnostics", &json!({}))?.map_err(anyhow::Error::msg)?;
    enter_pin(page, PIN)?;
    step(page, "touch")?;
    let while_asked = page.run("return document.documentElement.outerHTML", &[])?;
    ward.key.tap()?;
    over(page)?;
    is_approved(&ward, asked, message)?;

    let heard = page.run("return window.heard", &[])?;
    let events = heard.as_array().context("no events")?;
    let whole = format!("{heard}{while_asked}{texts}{diagnostics}");
    ensure!(events.len() >= 4 && whole.contains("nothing secret"), "too little was heard: {heard}");
    let option = |name: &str| ceremony.options.get(name).and_then(Value::as_str);
    let challenge = option("challenge").context("no challenge")?;
    ensure!(challenge.len() > 20 && !whole.contains(challenge), "the challenge");
    for name in ["challenge", "rpId", "rp_id", "allowCredentials", PIN] {
        ensure!(!whole.contains(name), "{name} is in what the page was given: {whole}");
    }
    let log = std::fs::read_to_string(ward.desk.log_path("app"))?;
    ensure!(!log.contains(PIN) && !log.contains(challenge), "{log}");
    Ok(())
}
