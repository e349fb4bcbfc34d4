//! A colour, and its contrast with others (WCAG 2.2, "relative luminance" and "contrast ratio").

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Opaque sRGB colour, spelled `#005eb8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

/// The text is not a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a colour is # and six hexadecimal digits, such as #005eb8")]
pub struct NotAColour;

impl Colour {
    const BLACK: Self = Self([0; 3]);
    const WHITE: Self = Self([255; 3]);

    /// Returns the contrast ratio of two colours: 1 for equal ones, at most 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Returns the nearest shade of this colour, darker on a light ground and lighter on a dark one, that has at least this
    /// contrast with the ground; black or white at most.
    ///
    /// ```
    /// use vitalsign_protocol::organisation::Colour;
    ///
    /// let (yellow, white) = (Colour([255, 220, 0]), Colour([255; 3]));
    /// assert!(yellow.contrast(white) < 3.0);
    /// assert!(yellow.readable_on(white, 3.0).contrast(white) >= 3.0);
    /// ```
    #[must_use]
    pub fn readable_on(self, ground: Self, ratio: f64) -> Self {
        let light = ground.contrast(Self::BLACK) >= ground.contrast(Self::WHITE);
        let end = if light { Self::BLACK } else { Self::WHITE };
        let shades = (0..=u8::MAX).map(|share| self.mixed(end, share));
        shades.into_iter().find(|shade| shade.contrast(ground) >= ratio).unwrap_or(end)
    }

    /// Mixes in another colour with a share of 0 to 255.
    fn mixed(self, other: Self, share: u8) -> Self {
        let mut mixed = self;
        for (part, end) in mixed.0.iter_mut().zip(other.0) {
            let (from, to, share) = (u16::from(*part), u16::from(end), u16::from(share));
            // The weighted mean of two bytes is a byte.
            *part = u8::try_from((from * (255 - share) + to * share) / 255).unwrap_or(end);
        }
        mixed
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl Display for Colour {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&format!("#{}", crate::id::hex(&self.0)))
    }
}

impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('#').ok_or(NotAColour)?;
        if digits.len() != 6 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(NotAColour);
        }
        let whole = u32::from_str_radix(digits, 16).map_err(|_| NotAColour)?;
        let [_, red, green, blue] = whole.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl TryFrom<String> for Colour {
    type Error = NotAColour;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_six_digits_and_nothing_else() {
        assert_eq!("#005Eb8".parse(), Ok(Colour([0, 0x5e, 0xb8])));
        assert_eq!(Colour([0, 0x5e, 0xb8]).to_string(), "#005eb8");
        for text in ["", "#", "005eb8", "#05b", "#005eb8ff", "#+05eb8", "#00\u{e9}b8", "red", "url(x)"] {
            assert_eq!(text.parse::<Colour>(), Err(NotAColour), "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        for (one, two, ratio) in
            [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ff0000", 1.0)]
        {
            let (one, two): (Colour, Colour) = (one.parse().unwrap(), two.parse().unwrap());
            assert!((one.contrast(two) - ratio).abs() < 0.01, "{}", one.contrast(two));
            assert!((two.contrast(one) - ratio).abs() < 0.01);
        }
    }

    #[test]
    fn shades_reach_the_contrast_on_every_ground() {
        let grounds = ["#ffffff", "#f6f4ef", "#0f1517", "#000000", "#808080"].map(|it| it.parse().unwrap());
        for ground in grounds {
            for (red, green) in
                (0..=255).step_by(15).flat_map(|it| (0..=255).step_by(51).map(move |to| (it, to)))
            {
                let colour = Colour([red, green, 255 - red]);
                let shade = colour.readable_on(ground, 3.0);
                assert!(shade.contrast(ground) >= 3.0, "{colour} on {ground}: {shade}");
                // A colour that can be seen is left as it is.
                assert_eq!(shade == colour, colour.contrast(ground) >= 3.0, "{colour} on {ground}");
            }
        }
    }
}
