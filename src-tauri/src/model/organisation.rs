//! The organisation's name and colour, for the page.

use super::words::plain;
use crate::view;
use vitalsign_ipc::Status;
use vitalsign_protocol::organisation::{Colour, Downtime};

/// Grounds of the page (`--ground` in `ui/src/style.css`): light, dark.
const GROUNDS: [Colour; 2] = [Colour([0xf6, 0xf4, 0xef]), Colour([0x0f, 0x15, 0x17])];
/// Contrast with the ground of a mark that carries no meaning (WCAG 2.2, 1.4.11).
const CONTRAST: f64 = 3.0;

pub(super) fn organisation(
    status: Option<&Status>,
    downtime: Option<&Downtime>,
    logo: Option<u32>,
) -> view::Organisation {
    let guidance = status.map(|status| status.guidance.clone()).unwrap_or_default();
    let colour = guidance.colour.map(|colour| {
        let [light, dark] = GROUNDS.map(|ground| colour.readable_on(ground, CONTRAST).to_string());
        view::Accent { light, dark }
    });
    let downtime = downtime.map(|Downtime { text, phone }| view::Downtime {
        text: plain(text),
        phone: phone.as_deref().map(plain),
    });
    view::Organisation { name: guidance.organisation.as_deref().map(plain), colour, downtime, logo }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grounds_are_those_of_the_page() {
        const STYLE: &str = include_str!("../../../ui/src/style.css");
        let named: Vec<&str> =
            STYLE.split("--ground: ").skip(1).filter_map(|it| it.split(';').next()).take(2).collect();
        assert_eq!(named, GROUNDS.map(|it| it.to_string()));
    }

    #[test]
    fn colour_is_seen_in_both_themes() {
        for colour in ["#ffffff", "#000000", "#f6f4ef", "#0f1517", "#ffdd00", "#00205b"] {
            let shades =
                GROUNDS.map(|ground| colour.parse::<Colour>().unwrap().readable_on(ground, CONTRAST));
            for (shade, ground) in shades.into_iter().zip(GROUNDS) {
                assert!(shade.contrast(ground) >= CONTRAST, "{colour}: {shade} on {ground}");
            }
        }
    }
}
