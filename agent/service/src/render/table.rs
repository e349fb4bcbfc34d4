//! A table: columns of fixed width, cells that wrap.

use super::style::{Paint, Style, UNLIMITED};

/// Table cell: paragraphs, each in its colour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell(Vec<(Paint, String)>);

impl Cell {
    /// A cell of one paragraph.
    pub(crate) fn new(paint: Paint, text: impl Into<String>) -> Self {
        Self(vec![(paint, text.into())])
    }

    /// The cell and one more paragraph; an empty one is left out.
    #[must_use]
    pub(crate) fn and(mut self, paint: Paint, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((paint, text));
        }
        self
    }

    /// The paragraphs of this cell and of another.
    #[must_use]
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Length of the longest paragraph.
    fn length(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).max().unwrap_or_default()
    }

    fn lines(&self, width: usize) -> Vec<(Paint, String)> {
        let wrapped = |(paint, text): &(Paint, String)| {
            let paint = *paint;
            wrap(text, width).into_iter().map(move |line| (paint, line))
        };
        self.0.iter().flat_map(wrapped).collect()
    }
}

/// Formats rows, indented by two columns with two columns between cells. The last column fills the remaining
/// width.
pub(crate) fn rows(style: Style, widths: &[usize], rows: &[Vec<Cell>]) -> String {
    let fixed: usize = widths.iter().map(|width| width + 2).sum();
    let last = style.width.saturating_sub(fixed + 2).max(20);
    let mut out = String::new();
    // Without a limit, each column is as wide as its longest paragraph.
    let longest = |(column, width): (usize, &usize)| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(Cell::length).max().unwrap_or_default().max(*width)
    };
    let grown: Vec<usize> = match style.width {
        UNLIMITED => widths.iter().enumerate().map(longest).collect(),
        _ => widths.to_vec(),
    };
    let widths = &grown;
    for row in rows {
        let width = |column: usize| widths.get(column).copied().unwrap_or(last);
        let cells: Vec<_> = row.iter().enumerate().map(|(column, cell)| cell.lines(width(column))).collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
            // Blanks are written when text follows them, so that no line ends in blanks.
            let mut owed = 2;
            for (column, cell) in cells.iter().enumerate() {
                let empty = (Paint::Plain, String::new());
                let (paint, text) = cell.get(line).unwrap_or(&empty);
                if !text.is_empty() {
                    out.push_str(&" ".repeat(owed));
                    out.push_str(&style.paint(*paint, text));
                    owed = 0;
                }
                let rest = width(column).saturating_sub(text.chars().count());
                owed = owed.saturating_add(rest).saturating_add(2);
            }
            out.push('\n');
        }
    }
    out
}

pub(crate) fn rule(style: Style, widths: &[usize]) -> Vec<Cell> {
    let fixed: usize = widths.iter().map(|width| width + 2).sum();
    let last = if style.width == UNLIMITED { 20 } else { style.width.saturating_sub(fixed + 2).max(20) };
    widths.iter().chain([&last]).map(|width| Cell::new(Paint::Dim, "─".repeat(*width))).collect()
}

/// Wraps a paragraph outside a table.
pub(crate) fn paragraph(text: &str, style: Style) -> String {
    wrap(text, style.width).join("\n")
}

/// Breaks between words, and within a word that is longer than a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length <= width {
            if let Some(line) = lines.last_mut() {
                line.push(' ');
                line.push_str(word);
            }
            used += 1 + length;
            continue;
        }
        if used > 0 {
            lines.push(String::new());
        }
        used = 0;
        for letter in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_never_longer_than_the_column() {
        for (text, width, lines) in [
            ("", 5, vec![""]),
            ("one two three", 7, vec!["one two", "three"]),
            ("unbreakable", 4, vec!["unbr", "eaka", "ble"]),
            ("a unbreakable b", 5, vec!["a", "unbre", "akabl", "e b"]),
        ] {
            assert_eq!(wrap(text, width), lines, "{text}");
        }
    }

    #[test]
    fn unlimited_table_breaks_nothing() {
        let style = Style { colour: false, width: UNLIMITED };
        let cells = |texts: &[&str]| texts.iter().map(|text| Cell::new(Paint::Plain, *text)).collect();
        let shown =
            rows(style, &[2], &[cells(&["longer than two", ""]), cells(&["", "x y"]), cells(&["", ""])]);
        assert_eq!(shown, "  longer than two\n                   x y\n\n");
    }
}
