//! Appearance and loudness of the app by the time of day, from the device's configuration.

use serde::{Deserialize, Serialize};

/// Appearance and loudness of the app (`[display]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Display {
    /// Colours of the app's window.
    pub theme: Theme,
    /// Local time at which the night begins.
    pub dark_from: TimeOfDay,
    /// Local time at which the night ends: on the next day if it is before `dark_from`.
    pub dark_until: TimeOfDay,
    /// Loudness of the app at night in percent of that by day; 0 is silent.
    pub night_volume: u8,
}

/// Colours of the app's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// As the desktop is set.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
    /// Dark at night, light by day.
    Schedule,
}

/// Time of day as `HH:MM`, from `00:00` to `23:59`, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

/// Setting of [`Display`] that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisplayError {
    /// A time has another form than `HH:MM`.
    #[error("a time of day must be HH:MM, from 00:00 to 23:59")]
    Time,
    /// The night has no length.
    #[error("[display] dark-from and dark-until must differ")]
    NoNight,
    /// More than by day.
    #[error("[display] night-volume must be a percentage from 0 to 100, and is {0}")]
    Volume(u8),
}

/// Loudness by day, in percent.
pub const FULL_VOLUME: u8 = 100;

impl Default for Display {
    fn default() -> Self {
        let [dark_from, dark_until] = [19, 7].map(|hour| TimeOfDay(hour * 60));
        Self { theme: Theme::System, dark_from, dark_until, night_volume: FULL_VOLUME }
    }
}

impl Display {
    /// Checks what the types allow.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), DisplayError> {
        if self.dark_from == self.dark_until {
            return Err(DisplayError::NoNight);
        }
        if self.night_volume > FULL_VOLUME { Err(DisplayError::Volume(self.night_volume)) } else { Ok(()) }
    }

    /// Returns whether it is night at this local time.
    #[must_use]
    pub fn is_night(&self, time: TimeOfDay) -> bool {
        let Self { dark_from, dark_until, .. } = *self;
        if dark_from < dark_until {
            (dark_from..dark_until).contains(&time)
        } else {
            !(dark_until..dark_from).contains(&time)
        }
    }

    /// Returns whether anything depends on the time of day.
    #[must_use]
    pub fn has_schedule(&self) -> bool {
        self.theme == Theme::Schedule || self.night_volume != FULL_VOLUME
    }
}

impl TimeOfDay {
    /// Returns the time of an hour and a minute; `None` if there is no such time.
    #[must_use]
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self(u16::from(hour) * 60 + u16::from(minute)))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = DisplayError;

    fn try_from(text: String) -> Result<Self, DisplayError> {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = text.split_once(':').filter(|(hour, minute)| digits(hour) && digits(minute));
        let parsed = parts.and_then(|(hour, minute)| Self::new(hour.parse().ok()?, minute.parse().ok()?));
        parsed.ok_or(DisplayError::Time)
    }
}

impl From<TimeOfDay> for String {
    fn from(TimeOfDay(minutes): TimeOfDay) -> Self {
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> TimeOfDay {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn night_may_cross_midnight() {
        for (from, until, nights, days) in [
            ("19:00", "07:00", ["19:00", "23:59", "00:00", "06:59"], ["07:00", "12:00", "18:59", "07:01"]),
            ("00:30", "05:00", ["00:30", "03:00", "04:59", "01:00"], ["00:29", "05:00", "23:59", "00:00"]),
            ("23:59", "00:00", ["23:59"; 4], ["00:00", "00:01", "12:00", "23:58"]),
        ] {
            let display = Display { dark_from: time(from), dark_until: time(until), ..Display::default() };
            assert_eq!(display.check(), Ok(()));
            for (is_night, times) in [(true, nights), (false, days)] {
                for it in times {
                    assert_eq!(display.is_night(time(it)), is_night, "{it} from {from} until {until}");
                }
            }
        }
    }

    #[test]
    fn times_have_one_form() {
        for good in ["00:00", "07:05", "19:00", "23:59"] {
            assert_eq!(String::from(time(good)), good);
        }
        for bad in ["", "7:00", "24:00", "12:60", "12", "12:00:00", "+1:00", "1200", "12:0x", "１２:00"] {
            assert_eq!(TimeOfDay::try_from(bad.to_owned()), Err(DisplayError::Time), "{bad}");
        }
    }

    #[test]
    fn refuses_empty_night_and_more_than_full_volume() {
        let dark_until = Display::default().dark_from;
        assert_eq!(Display { dark_until, ..Display::default() }.check(), Err(DisplayError::NoNight));
        let night_volume = 101;
        assert_eq!(Display { night_volume, ..Display::default() }.check(), Err(DisplayError::Volume(101)));
    }
}
