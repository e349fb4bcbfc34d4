//! Files of comma-separated values (RFC 4180) with a header, as spreadsheets and directories export them.

use anyhow::{Context, bail, ensure};
use std::io::Read;
use std::path::Path;

/// Maximum size of a file in bytes.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Row of a file: the values of the expected columns, trimmed, in the order in which the columns were named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvRow<const N: usize> {
    /// Line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) values: [String; N],
}

/// Reads a file, or standard input for `-`. The first column is required; others may be absent, and are then empty.
///
/// # Errors
/// The file cannot be read, is too large, or has another column; a row has another number of values, or an empty first one.
pub(super) fn read<const N: usize>(path: &Path, columns: [&str; N]) -> anyhow::Result<Vec<CsvRow<N>>> {
    let mut text = Vec::new();
    let from: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?),
    };
    from.take(u64::try_from(MAX_BYTES)? + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("reading {}", path.display()))?;
    ensure!(text.len() <= MAX_BYTES, "{} is larger than 10 MiB: split it", path.display());
    parse(&text, columns).with_context(|| path.display().to_string())
}

fn parse<const N: usize>(text: &[u8], columns: [&str; N]) -> anyhow::Result<Vec<CsvRow<N>>> {
    // Spreadsheets begin UTF-8 files with a byte-order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers()?.clone();
    for (at, name) in header.iter().enumerate() {
        if !columns.contains(&name) {
            bail!("column {name:?} is not known; the columns are {}", columns.join(", "));
        }
        ensure!(header.iter().take(at).all(|other| other != name), "column {name:?} is there twice");
    }
    let places = columns.map(|column| header.iter().position(|name| name == column));
    let first = columns.first().copied().unwrap_or_default();
    ensure!(
        places.first().is_some_and(Option::is_some),
        "there is no column {first:?}: the first line names the columns ({})",
        columns.join(",")
    );
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1_usize, 0);
    for record in reader.records() {
        let record = record?;
        // The reader's own count is one too low after a line that ends with CR LF.
        let begin = record.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(counted);
        let begin = begin + text.iter().skip(begin).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += text.iter().take(begin).skip(counted).filter(|byte| **byte == b'\n').count();
        counted = begin;
        let values = places.map(|place| place.and_then(|at| record.get(at)).unwrap_or_default().to_owned());
        ensure!(values.first().is_some_and(|value| !value.is_empty()), "line {line}: {first} is empty");
        rows.push(CsvRow { line, values });
    }
    Ok(rows)
}

/// Splits a value that has several parts, separated by semicolons.
pub(super) fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(';').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<(usize, [String; 2])>, String> {
        let rows = parse(text.as_bytes(), ["name", "aliases"]).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| (row.line, row.values)).collect())
    }

    #[test]
    fn columns_are_found_by_name() {
        let row = |line, name: &str, aliases: &str| (line, [name.to_owned(), aliases.to_owned()]);
        assert_eq!(lines("name\nann\n"), Ok(vec![row(2, "ann", "")]));
        assert_eq!(
            lines("\u{feff}aliases,name\r\n\"a;b\", ann \r\n,\"Lee, Bo\"\r\n"),
            Ok(vec![row(2, "ann", "a;b"), row(3, "Lee, Bo", "")])
        );
        // A value of two lines, and an empty line.
        let rows = lines("name\r\n\"a\r\nb\"\r\n\r\nbo\r\n").unwrap();
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(parts(" a ; b;; ").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn files_that_are_not_understood_are_refused() {
        for (text, why) in [
            ("", "no column \"name\""),
            ("ann\nbo\n", "column \"ann\" is not known"),
            ("aliases\nx\n", "no column \"name\""),
            ("name,name\na,b\n", "twice"),
            ("name,aliases\nann\n", "found record with 1 fields"),
            ("name,aliases\n,x\n", "line 2: name is empty"),
            ("name\n\"ann\nbo\"\n", ""),
        ] {
            match lines(text) {
                Ok(rows) => assert!(why.is_empty(), "{text:?} gives {rows:?}"),
                Err(error) => assert!(error.contains(why) && !why.is_empty(), "{text:?}: {error}"),
            }
        }
    }
}
