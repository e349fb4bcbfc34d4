//! A person types and clicks in another program while prompts arrive: nothing of it may reach the prompt.
//!
//! `VITALSIGN_PROMPTS=1000` makes it many prompts.

use anyhow::{Result, bail, ensure};
use vitalsign_app_tests::{App, Busy, Manager, Process, TextWindow, TrayHost, Ward};

/// Keys that are typed while a prompt is up: two seconds of a fast typist.
const KEYS: usize = 70;

fn prompts() -> usize {
    std::env::var("VITALSIGN_PROMPTS").ok().and_then(|it| it.parse().ok()).unwrap_or(6)
}

/// Keys that are typed while the app is stalled: longer than a window takes no keyboard after it was raised.
const STALL: usize = 80;

/// Places in the prompt's window, of 520 × 720 at (750, 140) on a screen of 1280 × 900: decline, alarm, the PIN and what
/// sends it, the report's buttons, the handle. All are inside, because a person who clicks elsewhere for a while has paused.
const PLACES: [(i16, i16); 7] =
    [(840, 770), (1130, 770), (990, 570), (1010, 650), (930, 510), (1090, 510), (800, 200)];

fn types_and_clicks(manager: Manager, clicks: bool, stalls: bool) -> Result<()> {
    let ward = Ward::open_under(manager)?;
    let tray = TrayHost::at(&ward.desk)?;
    let socket = ward.agent.socket();
    let mut app = Process::start(
        App::command(&ward.desk, &socket, Some(&ward.key), &["--background"])?.env("VITALSIGN_LOG", "debug"),
    )?;
    tray.icon()?;
    let screen = ward.desk.screen()?;
    let text = TextWindow::open(ward.desk.display())?;
    let typing = Busy::typing(ward.desk.display())?;
    let clicking = if clicks { Some(Busy::clicking(ward.desk.display(), PLACES.to_vec())?) } else { None };
    let mut stalls_seen = 0;
    for order in 0..prompts() {
        println!("prompt {order}");
        typing.go_on(10)?;
        let asked = ward.ask(&format!("EHR: sign order {order}"), &[])?;
        let window = screen.until_app_window()?;
        if stalls {
            // The app gets no processor, as on a busy machine: timers and presses are then due at once.
            // It may hold the display server just then, and the person with it: that stall is too short to count.
            app.pause();
            let stalled = typing.go_on_unless_held(STALL);
            app.resume();
            stalls_seen += usize::from(stalled?);
        }
        typing.go_on(KEYS)?;
        let pause = clicking.as_ref().unwrap_or(&typing).longest_pause();
        let at = screen.keyboard_at()?;
        ensure!(
            at == text.window,
            "prompt {order} {window:#x}: the keyboard is at {} (longest pause: {pause:?})",
            screen.describe(at, window)?
        );
        let left = screen.app_window()?;
        if left != Some(window) {
            let end = asked.end();
            bail!(
                "prompt {order}: {window:#x} became {left:?}: {end:?} (longest pause: {pause:?}), the app said: {}",
                std::fs::read_to_string(ward.desk.log_path("app")).unwrap_or_default()
            );
        }
        screen.close(window)?;
        let end = asked.end()?;
        ensure!(
            end == "declined",
            "prompt {order} did not end with its window, but {end}; the app said: {}",
            std::fs::read_to_string(ward.desk.log_path("app")).unwrap_or_default()
        );
        screen.until_no_app_window()?;
    }
    ensure!(!stalls || stalls_seen > 0, "the app was not stalled once");
    drop(clicking);
    println!("{} prompts under {manager:?}, the longest pause {:?}", prompts(), typing.longest_pause());
    let typed = typing.stop()?;
    vitalsign_e2e::wait_for("the last letter", std::time::Duration::from_secs(10), || {
        Ok((text.heard().len() >= typed.len()).then_some(()))
    })
    .ok();
    let heard = text.heard();
    ensure!(heard == typed, "of {} letters {} arrived:\n{typed:?}\n{heard:?}", typed.len(), heard.len());
    ensure!(app.runs());
    drop(app);
    let audit = ward.testbed.administer(&["audit", "list", "--limit", "100000", "--json"])?;
    ensure!(!audit.contains("not-mine"), "an alarm was raised: {audit}");
    ensure!(ward.attempts_left()? == 8, "{} attempts are left", ward.attempts_left()?);
    Ok(())
}

#[test]
fn typing_goes_on_while_prompts_arrive() -> Result<()> {
    types_and_clicks(Manager::FocusesNewWindows, false, false)
}

#[test]
fn stray_clicks_answer_no_prompt() -> Result<()> {
    types_and_clicks(Manager::FocusesNewWindows, true, false)
}

#[test]
fn typing_goes_on_where_new_windows_get_no_focus() -> Result<()> {
    types_and_clicks(Manager::KeepsFocus, true, false)
}

#[test]
fn typing_goes_on_under_another_window_manager() -> Result<()> {
    types_and_clicks(Manager::IceWm, true, false)
}

#[test]
fn typing_goes_on_without_a_window_manager() -> Result<()> {
    types_and_clicks(Manager::None, true, false)
}

#[test]
fn stray_clicks_answer_no_prompt_after_a_stall() -> Result<()> {
    types_and_clicks(Manager::KeepsFocus, true, true)
}
