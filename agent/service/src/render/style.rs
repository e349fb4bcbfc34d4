//! Colours and width of the terminal. Honours `NO_COLOR` (no-color.org).

use crate::env;
use std::io::IsTerminal;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    pub(crate) width: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    #[default]
    Plain,
    Bold,
    Dim,
    /// Green: as it should be.
    Good,
    Attention,
    /// Red: not to be trusted.
    Bad,
}

impl Style {
    pub(crate) fn of_stdout() -> Self {
        let objects = std::env::var_os(env::NO_COLOR).is_some_and(|value| !value.is_empty());
        let columns = std::env::var(env::COLUMNS).ok().and_then(|columns| columns.parse().ok());
        Self {
            colour: std::io::stdout().is_terminal() && !objects,
            width: columns.map_or(100, |columns: usize| columns.clamp(60, 140)),
        }
    }

    /// Returns `text` in this colour.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Attention => "33",
            Paint::Bad => "31",
            Paint::Plain => return text.to_owned(),
        };
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
