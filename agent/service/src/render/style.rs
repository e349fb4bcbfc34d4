//! Colours and width of the terminal. Honours `NO_COLOR` (no-color.org).

use crate::env;
use std::io::IsTerminal;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Columns of a line; [`UNLIMITED`] where nothing is wrapped.
    pub(crate) width: usize,
}

/// Width of output that goes to a file or a program: nothing is wrapped.
pub(crate) const UNLIMITED: usize = usize::MAX;
/// Width of a terminal that does not tell.
const DEFAULT_WIDTH: usize = 100;
/// Below the first, columns are too narrow to read; beyond the second, lines are too long.
const MIN_WIDTH: usize = 60;
const MAX_WIDTH: usize = 140;

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
        let terminal = std::io::stdout().is_terminal();
        let asked = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into());
        Self { colour: terminal && !objects, width: width(terminal, columns, asked) }
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

/// Returns the columns to fill: those that the environment sets, else the terminal's.
fn width(terminal: bool, columns: Option<usize>, asked: impl FnOnce() -> Option<usize>) -> usize {
    match columns.filter(|columns| *columns > 0) {
        Some(columns) => columns.clamp(MIN_WIDTH, MAX_WIDTH),
        None if terminal => asked().unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH),
        None => UNLIMITED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_is_set_or_asked_or_unlimited() {
        for (terminal, columns, asked, wanted) in [
            (true, None, Some(80), 80),
            (true, None, Some(20), 60),
            (true, None, Some(400), 140),
            (true, None, None, 100),
            (true, Some(120), Some(80), 120),
            (true, Some(0), Some(80), 80),
            (false, None, Some(80), UNLIMITED),
            (false, Some(80), None, 80),
        ] {
            assert_eq!(width(terminal, columns, || asked), wanted, "{terminal} {columns:?} {asked:?}");
        }
    }
}
