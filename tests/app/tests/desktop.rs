//! The app on a desktop: its icon in the tray, and the prompt in front of whatever fills the screen.

use anyhow::{Result, ensure};
use std::time::Duration;
use vitalsign_app_tests::{App, Process, TrayHost, Ward};
use vitalsign_e2e::wait_for;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn tray_icon_shows_state_and_opens_the_window() -> Result<()> {
    let mut ward = Ward::without_a_key()?;
    let tray = TrayHost::at(&ward.desk)?;
    let arguments = ["--background"];
    let mut app =
        Process::start(&mut App::command(&ward.desk, &ward.agent.socket(), Some(&ward.key), &arguments)?)?;
    let icon = tray.icon()?;
    ensure!(icon.text("Status")? == "Active");
    let menu: Vec<String> = icon.menu()?.into_iter().map(|(_, label)| label).collect();
    for entry in ["Status", "Check again", "Register a key", "About"] {
        ensure!(menu.iter().any(|label| label == entry), "no {entry} in {menu:?}");
    }

    // Each state has a text, which is the first menu item, and its own icon.
    let picture = |words: &str| -> Result<Vec<u8>> {
        wait_for(words, MINUTE, || Ok(icon.menu()?.first().filter(|(_, label)| label == words).map(drop)))?;
        icon.picture()
    };
    let blocked = picture("Vitalsign: blocked")?;
    ward.stop_service();
    let offline = picture("Vitalsign: offline")?;
    ensure!(blocked != offline, "two states look the same");
    ward.start_service()?;
    ensure!(picture("Vitalsign: blocked")? == blocked, "the same state looks otherwise");

    let screen = ward.desk.screen()?;
    ensure!(screen.stacked()?.is_empty(), "a window is open");
    icon.click("Status")?;
    let window = wait_for("the window", MINUTE, || Ok(screen.stacked()?.first().copied()))?;
    wait_for("its name", MINUTE, || Ok(screen.name(window)?.contains("Vitalsign").then_some(())))?;
    icon.click("About")?;
    icon.click("Check again")?;
    ensure!(screen.stacked()?.len() == 1, "more than one window");
    ensure!(app.runs() && tray.icons() == 1);
    Ok(())
}

#[test]
fn a_step_up_is_raised_above_what_fills_the_screen() -> Result<()> {
    let ward = Ward::open()?;
    let tray = TrayHost::at(&ward.desk)?;
    let socket = ward.agent.socket();
    let _app = Process::start(&mut App::command(&ward.desk, &socket, Some(&ward.key), &["--background"])?)?;
    tray.icon()?;
    let screen = ward.desk.screen()?;
    let full = screen.cover()?;
    let asked = ward.ask("EHR: in front of everything", &[])?;
    let prompt = wait_for("the prompt's window", MINUTE, || {
        Ok(screen.stacked()?.into_iter().find(|window| *window != full))
    })?;
    wait_for("it to be above all", MINUTE, || Ok((screen.stacked()?.last() == Some(&prompt)).then_some(())))?;
    ensure!(screen.active()? == Some(full), "the prompt took the keyboard");

    // Closing the window declines: a later touch approves nothing.
    screen.close(prompt)?;
    ensure!(asked.end()? == "declined");
    wait_for("the window to be gone", MINUTE, || Ok((screen.stacked()? == [full]).then_some(())))?;
    ensure!(screen.active()? == Some(full), "the keyboard is not where it was");
    Ok(())
}
