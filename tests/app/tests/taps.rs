//! A shift's worth of step-ups, each answered as a person does.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use vitalsign_app_tests::{App, PIN, Page, Resources, Ward, summary};

const TAPS: usize = 40;
/// The app is warm after so many: its resources then are compared with those at the end.
const WARM: usize = 10;
/// Growth of file descriptors that is no leak: half of one for each tap after [`WARM`].
const DESCRIPTORS_MARGIN: usize = (TAPS - WARM) / 2;
/// Growth of memory that is no leak: WebKit collects garbage when it likes.
const PSS_MARGIN_KIB: u64 = 64 * 1024;

/// Enters the PIN with presses on the pad's digits, as on a touch screen.
fn enter_by_pointer(page: &Page) -> Result<()> {
    if !page.has("button[data-digit='1']")? {
        page.click("#pin-pad-toggle")?;
    }
    for digit in PIN.chars() {
        page.click(&format!("button[data-digit='{digit}']"))?;
    }
    page.click("#pin-submit")
}

/// Enters the PIN without a pointer: Tab to the field, the digits, Enter.
fn enter_by_keyboard(page: &Page) -> Result<()> {
    page.tab_to("#pin")?;
    page.type_keys(PIN)?;
    page.press_enter()
}

/// Resources of the app at rest, and the windows on the screen.
fn held(ward: &Ward, app: &App) -> Result<(Resources, usize)> {
    app.page.until_calm()?;
    Ok((app.resources()?, ward.desk.screen()?.windows()?))
}

#[test]
fn forty_taps_in_a_row() -> Result<()> {
    let mut ward = Ward::open()?;
    let app = ward.app(&[])?;
    let page = &app.page;
    page.see("main[data-page=status] #headline")?;
    let (mut to_prompt, mut to_token) = (Vec::new(), Vec::new());
    let mut warm = None;
    for tap in 1..=TAPS {
        let message = format!("EHR: sign order {}", 4710 + tap);
        let begun = Instant::now();
        let asked = ward.ask(&message, &[])?;
        page.see("#prompt[data-step=pin] #prompt-message")?;
        to_prompt.push(begun.elapsed());
        ensure!(page.text("#prompt-message")?.contains(&message), "another order is shown");
        let entered = if tap % 2 == 1 { enter_by_pointer(page) } else { enter_by_keyboard(page) };
        entered.with_context(|| format!("tap {tap}"))?;
        page.see("#prompt[data-step=touch]")?;
        ward.key.until_tap_is_wanted()?;
        let touched = Instant::now();
        ward.key.tap()?;
        let outcome = asked.outcome()?;
        to_token.push(touched.elapsed());
        ensure!(outcome.get("step_up") == Some(&json!("approved")), "tap {tap}: {outcome}");
        page.gone("#prompt")?;
        page.see("main[data-page=status] #headline")?;
        // The mark of the result covers the page for a moment.
        page.gone("#flash")?;
        if tap == WARM {
            warm = Some(held(&ward, &app)?);
        }
    }
    let (before, windows_before) = warm.context("too few taps")?;
    let (after, windows_after) = held(&ward, &app)?;
    let figures = |what: &str, times: &[Duration]| println!("{what}: {}", summary(times));
    figures("request to readable prompt", &to_prompt);
    figures("tap to approved", &to_token);
    println!(
        "after {WARM}: {before:?}, {windows_before} windows; after {TAPS}: {after:?}, {windows_after} windows"
    );
    ensure!(windows_after <= windows_before, "{windows_before} windows became {windows_after}");
    ensure!(after.processes <= before.processes, "{before:?} became {after:?}");
    ensure!(after.descriptors <= before.descriptors + DESCRIPTORS_MARGIN, "{before:?} became {after:?}");
    ensure!(after.pss_kib <= before.pss_kib + PSS_MARGIN_KIB, "{before:?} became {after:?}");
    ensure!(ward.testbed.administer(&["audit", "verify"]).is_ok(), "the audit log is invalid");
    Ok(())
}
