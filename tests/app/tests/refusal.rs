//! Step-ups that are refused before the person is asked for anything, while the app is in the tray only.

use anyhow::{Result, ensure};
use vitalsign_app_tests::{App, NoticeHost, Process, TrayHost, Ward};

#[test]
fn refusal_opens_a_window_from_the_tray() -> Result<()> {
    let ward = Ward::open()?;
    let (tray, notices) = (TrayHost::at(&ward.desk)?, NoticeHost::at(&ward.desk)?);
    let socket = ward.agent.socket();
    let _app = Process::start(&mut App::command(&ward.desk, &socket, Some(&ward.key), &["--background"])?)?;
    tray.icon()?;
    let screen = ward.desk.screen()?;
    // Each of them: a window that is closed is destroyed, and the next must not be drawn on the dying one.
    for (seen, order) in ["4721", "4722", "4723"].into_iter().enumerate() {
        ensure!(screen.app_window()?.is_none(), "a window is open before {order}");
        let asked = ward.ask(&format!("EHR: sign order {order}"), &["--acr", "healthy-device"])?;
        ensure!(asked.end()? == "unhealthy");
        let window = screen.until_app_window()?;
        let shown = notices.until(seen + 1)?;
        let last = shown.last().cloned();
        ensure!(last.as_ref().is_some_and(|it| it.sound == "dialog-warning"), "{shown:?}");
        // It is read on lock screens.
        ensure!(
            !format!("{shown:?}").contains("4721") && !format!("{shown:?}").contains("nurse"),
            "{shown:?}"
        );
        screen.close(window)?;
        screen.until_no_app_window()?;
    }
    Ok(())
}

#[test]
fn request_and_refusal_sound_different() -> Result<()> {
    let ward = Ward::open()?;
    let (tray, notices) = (TrayHost::at(&ward.desk)?, NoticeHost::at(&ward.desk)?);
    let socket = ward.agent.socket();
    let _app = Process::start(&mut App::command(&ward.desk, &socket, Some(&ward.key), &["--background"])?)?;
    tray.icon()?;
    let screen = ward.desk.screen()?;
    let asked = ward.ask("EHR: sign order 4724", &[])?;
    let window = screen.until_app_window()?;
    notices.until(1)?;
    screen.close(window)?;
    ensure!(asked.end()? == "declined");
    screen.until_no_app_window()?;
    ensure!(ward.ask("EHR: sign order 4725", &["--acr", "healthy-device"])?.end()? == "unhealthy");
    screen.until_app_window()?;
    let shown = notices.until(2)?;
    ensure!(
        shown.first().map(|it| (&it.sound, &it.title)) != shown.get(1).map(|it| (&it.sound, &it.title)),
        "{shown:?}"
    );
    Ok(())
}
