//! Colours and loudness by the time of day.

use super::*;
use jiff::tz::TimeZone;
use vitalsign_ipc::{Display, Theme};

/// A model in Berlin, with this configuration.
fn at_night(display: Display) -> Model {
    let mut model = Model::new("cart".to_owned()).in_zone(TimeZone::get("Europe/Berlin").unwrap());
    let mut status = status(Vec::new());
    status.guidance.display = display;
    model.on(Happened::Shown(UiUpdate::Status { status, changed: Vec::new() }), NOW);
    model
}

fn seconds(moment: &str) -> u64 {
    moment.parse::<jiff::Timestamp>().unwrap().as_second().try_into().unwrap()
}

#[test]
fn schedule_follows_local_time() {
    let model = at_night(Display { theme: Theme::Schedule, night_volume: 30, ..Display::default() });
    for (moment, dark) in [
        ("2026-11-23T17:59:59Z", false),
        ("2026-11-23T18:00:00Z", true),
        ("2026-11-23T23:30:00Z", true),
        ("2026-11-24T05:59:59Z", true),
        ("2026-11-24T06:00:00Z", false),
        // In summer an hour earlier by UTC, from the night in which the clocks change (29 March, 25 October).
        ("2026-03-28T06:00:00Z", false),
        ("2026-03-28T18:00:00Z", true),
        ("2026-03-29T04:59:59Z", true),
        ("2026-03-29T05:00:00Z", false),
        ("2026-03-29T17:00:00Z", true),
        ("2026-10-25T05:59:59Z", true),
        ("2026-10-25T06:00:00Z", false),
    ] {
        let now = seconds(moment);
        assert_eq!(model.is_dark(now), Some(dark), "{moment}");
        assert_eq!(model.volume(now), if dark { 30 } else { 100 }, "{moment}");
        assert_eq!(model.view(now).volume, if dark { 30 } else { 100 }, "{moment}");
    }
}

#[test]
fn theme_is_the_desktops_until_it_is_set() {
    let night = seconds("2026-11-23T23:30:00Z");
    assert_eq!(Model::new("cart".to_owned()).is_dark(night), None);
    for (theme, dark) in [(Theme::System, None), (Theme::Light, Some(false)), (Theme::Dark, Some(true))] {
        let model = at_night(Display { theme, ..Display::default() });
        assert_eq!((model.is_dark(night), model.volume(night)), (dark, 100));
        assert_eq!(model.patience(night), None, "{theme:?} does not depend on the time");
    }
}

#[test]
fn each_sound_can_be_switched_off() {
    let night = seconds("2026-11-23T23:30:00Z");
    let mut model = at_night(Display { night_volume: 0, ..Display::default() });
    assert_eq!((model.request_volume(night), model.volume(night)), (0, 0));
    assert!(model.patience(night).is_some_and(|patience| patience <= Duration::from_secs(60)));
    let settings = view::AppSettings { request_tone: false, ..view::AppSettings::default() };
    let day = seconds("2026-11-23T12:00:00Z");
    assert_eq!(model.request_volume(day), 100);
    model.on(Happened::Settings(settings), NOW);
    assert_eq!((model.request_volume(day), model.volume(day)), (0, 100));
}
