//! Colours and loudness by the local time of day.

use super::Model;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;
use vitalsign_ipc::{Display, FULL_VOLUME, Theme, TimeOfDay};

/// Longest time until a change of the hour is noticed, whatever happens to the clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);

/// Time zone of the session.
#[derive(Debug)]
pub(super) struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// Returns the local time at a moment in seconds since 1970.
    fn time_of_day(&self, now: u64) -> Option<TimeOfDay> {
        let now = Timestamp::from_second(i64::try_from(now).ok()?).ok()?.to_zoned(self.0.clone());
        TimeOfDay::new(now.hour().try_into().ok()?, now.minute().try_into().ok()?)
    }
}

impl Model {
    /// The same in this time zone.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone: Zone(zone), ..self }
    }

    /// Returns whether the window is dark; `None` to follow the desktop.
    #[must_use]
    pub fn is_dark(&self, now: u64) -> Option<bool> {
        match self.display().theme {
            Theme::System => None,
            Theme::Light => Some(false),
            Theme::Dark => Some(true),
            Theme::Schedule => Some(self.is_night(now)),
        }
    }

    /// Returns the loudness of all sounds in percent.
    #[must_use]
    pub fn volume(&self, now: u64) -> u8 {
        if self.is_night(now) { self.display().night_volume } else { FULL_VOLUME }
    }

    /// Returns the loudness of the sound with which a request arrives, in percent.
    #[must_use]
    pub fn request_volume(&self, now: u64) -> u8 {
        if self.settings.request_tone { self.volume(now) } else { 0 }
    }

    /// Returns the longest time until the hour is looked at again.
    pub(super) fn clock_interval(&self) -> Option<Duration> {
        self.display().has_schedule().then_some(CLOCK_INTERVAL)
    }

    fn is_night(&self, now: u64) -> bool {
        self.zone.time_of_day(now).is_some_and(|time| self.display().is_night(time))
    }

    /// The device's settings, or the defaults until the service has told them.
    fn display(&self) -> Display {
        self.status.as_ref().map(|status| status.guidance.display).unwrap_or_default()
    }
}
