//! Colours of the window by configuration and time of day, from the first moment that it is on the screen.

use anyhow::{Result, ensure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vitalsign_app_tests::{App, DesktopServices, Process, StandIn};
use vitalsign_e2e::wait_for;
use vitalsign_ipc::{Display, Stage, StepUp, Theme, TimeOfDay};
use vitalsign_protocol::id::StepUpId;
use vitalsign_protocol::step_up::Acr;

const MINUTE: Duration = Duration::from_secs(60);
/// Brightest colour of the page's ground when it is dark, and darkest when it is light.
const DARK: u8 = 0x40;
const LIGHT: u8 = 0xc0;
/// Hours that Tokyo is ahead of UTC, all year.
const TOKYO: u64 = 9;

fn seconds() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Time of day in Tokyo, in so many hours from now.
fn tokyo(hours: u64) -> Result<TimeOfDay> {
    let minutes = (seconds()? / 60 + (TOKYO + hours) * 60) % (24 * 60);
    let (hour, minute) = (u8::try_from(minutes / 60)?, u8::try_from(minutes % 60)?);
    TimeOfDay::new(hour, minute).ok_or_else(|| anyhow::anyhow!("no time of day"))
}

fn step_up() -> Result<StepUp> {
    Ok(StepUp {
        id: StepUpId([7; 16]),
        application: "EHR".to_owned(),
        user: "nurse-7".to_owned(),
        message: "EHR: sign order 4711".to_owned(),
        authorization_details: None,
        details_schemas: Default::default(),
        acr: Acr::HardwareKey,
        until: seconds()? + 120,
        pin_entered: None,
        stage: Stage::Tap,
    })
}

/// Raises a prompt with this configuration, and looks at the window's corners until its page is drawn: returns the lowest
/// and the highest brightness from its first frame on, and at the end.
fn corners(display: Display) -> Result<(Vec<u8>, u8)> {
    let desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    service.say(|status| status.guidance.display = display)?;
    let mut command = App::command(&desk, service.socket(), None, &["--background"])?;
    let mut app = Process::start(command.env("VITALSIGN_LOG", "debug").env("TZ", "Asia/Tokyo"))?;
    let log = || std::fs::read_to_string(desk.log_path("app")).unwrap_or_default();
    service.until_subscribed()?;
    service.ask(vec![step_up()?])?;
    let screen = desk.screen()?;
    let window = screen.until_app_window()?;
    let mut seen = Vec::new();
    let look = || -> Result<[u8; 2]> {
        let it = screen.content(window)?;
        let (left, top) = (it.x + 3, it.y + 3);
        Ok([screen.brightness((left, top))?, screen.brightness((it.x + it.width - 4, top))?])
    };
    wait_for("the page to be drawn", MINUTE, || {
        ensure!(app.runs(), "the app has ended: {}", log());
        seen.extend(look()?);
        Ok(log().contains("the page is drawn").then_some(()))
    })?;
    // The splash goes with the frame after that.
    for _ in 0..20 {
        seen.extend(look()?);
        std::thread::sleep(Duration::from_millis(20));
    }
    let last = look()?[0];
    Ok((seen, last))
}

#[test]
fn dark_prompt_is_dark_from_its_first_frame() -> Result<()> {
    let (seen, last) = corners(Display { theme: Theme::Dark, ..Display::default() })?;
    ensure!(seen.iter().all(|it| *it <= DARK), "a flash of light: {seen:?}");
    ensure!((1..=DARK).contains(&last), "the page is not drawn: {last}");
    Ok(())
}

#[test]
fn schedule_is_dark_at_night_in_local_time() -> Result<()> {
    let night = Display {
        theme: Theme::Schedule,
        dark_from: tokyo(22)?,
        dark_until: tokyo(2)?,
        ..Display::default()
    };
    let (seen, _) = corners(night)?;
    ensure!(seen.iter().all(|it| *it <= DARK), "a flash of light: {seen:?}");
    let day = Display { dark_from: tokyo(2)?, dark_until: tokyo(22)?, ..night };
    let (_, last) = corners(day)?;
    ensure!(last >= LIGHT, "it is dark by day: {last}");
    Ok(())
}
