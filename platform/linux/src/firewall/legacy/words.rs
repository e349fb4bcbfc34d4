//! Words of the text that `iptables-legacy-save` writes: separated by spaces, quoted where they have other characters
//! than letters, digits, `-` and `_`.

/// One word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// A word in quotes is never an option.
    pub(super) quoted: bool,
}

impl Word {
    /// The word, unless it was quoted.
    pub(super) fn option(&self) -> Option<&str> {
        (!self.quoted).then_some(self.text.as_str())
    }
}

/// Splits into lines of at least one word, without comments. A line's end between quotes is a part of the word. None if
/// quotes are not closed.
pub(super) fn lines(text: &str) -> Option<Vec<Vec<Word>>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut left = text.chars().peekable();
    while let Some(next) = left.next() {
        match next {
            '\n' => {
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
            }
            ' ' => {}
            '#' if line.is_empty() => while left.next_if(|it| *it != '\n').is_some() {},
            '"' => {
                let mut text = String::new();
                loop {
                    match left.next()? {
                        '"' => break,
                        '\\' => text.push(left.next()?),
                        other => text.push(other),
                    }
                }
                line.push(Word { text, quoted: true });
            }
            first => {
                let mut text = String::from(first);
                while let Some(more) = left.next_if(|it| !matches!(it, ' ' | '\n')) {
                    text.push(more);
                }
                line.push(Word { text, quoted: false });
            }
        }
    }
    // The last line ends too.
    line.is_empty().then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_spaces_and_line_ends() {
        let found =
            lines("# a \"comment\n*filter\n\n-A INPUT --comment \"a \\\"b\n-j ACCEPT\" -j DROP\n").unwrap();
        let texts: Vec<Vec<_>> =
            found.iter().map(|line| line.iter().map(|word| word.text.as_str()).collect()).collect();
        let rule = vec!["-A", "INPUT", "--comment", "a \"b\n-j ACCEPT", "-j", "DROP"];
        assert_eq!(texts, [vec!["*filter"], rule]);
        assert_eq!((found[1][3].option(), found[1][4].option()), (None, Some("-j")));
        for damaged in ["*filter", "-A \"INPUT\n", "-A \"INPUT\\"] {
            assert_eq!(lines(damaged), None, "{damaged}");
        }
    }
}
