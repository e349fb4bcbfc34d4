//! apt.conf(5), as much of it as apt's own reader does with it: statements, scopes, lists, comments, `#clear` and
//! `#include`.

use crate::Root;
use std::collections::BTreeMap;
use vitalsign_protocol::fact::Reason;

const MAX_INCLUDES: usize = 16;

/// apt's configuration. Names are without case.
#[derive(Debug, Default)]
pub(crate) struct AptConf {
    values: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
}

impl AptConf {
    /// Reads what apt reads, in its order: `apt.conf.d`, then `apt.conf`.
    ///
    /// # Errors
    /// When a file cannot be read, or apt itself would refuse it.
    pub(crate) fn read(root: &Root) -> Result<Self, Reason> {
        let mut conf = Self::default();
        let names = root.names("/etc/apt/apt.conf.d")?;
        let mut files: Vec<_> = names
            .iter()
            .filter(|name| is_read(name, Some("conf"), true))
            .map(|name| format!("/etc/apt/apt.conf.d/{name}"))
            .collect();
        files.push("/etc/apt/apt.conf".to_owned());
        for file in files {
            let text = root.text_if_there(file)?.unwrap_or_default();
            conf.parse(&text, root, MAX_INCLUDES).ok_or(Reason::Malformed)?;
        }
        Ok(conf)
    }

    /// The value of a setting.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The values of a list.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lists.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Takes the statements of a file. None when apt refuses it.
    fn parse(&mut self, text: &str, root: &Root, includes: usize) -> Option<()> {
        let mut scopes: Vec<String> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
            } else if rest.starts_with("//") || first == '#' && !(words.is_empty() && is_directive(rest)) {
                rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if matches!(first, ';' | '{' | '}') {
                rest = rest.get(1..)?;
                let statement = std::mem::take(&mut words);
                match first {
                    '{' => scopes.push(statement.into_iter().next().unwrap_or_default()),
                    _ => self.apply(&scopes, &statement, root, includes)?,
                }
                if first == '}' {
                    scopes.pop()?;
                }
            } else if let Some(quoted) = rest.strip_prefix('"') {
                // A string ends in its line.
                let (value, after) = quoted.split_once('"').filter(|(value, _)| !value.contains('\n'))?;
                words.push(value.to_owned());
                rest = after;
            } else {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at_checked(end)?;
                words.push(word.to_owned());
                rest = after;
            }
        }
        words.is_empty().then_some(())
    }

    fn apply(&mut self, scopes: &[String], words: &[String], root: &Root, includes: usize) -> Option<()> {
        match words {
            [] => {}
            [directive, name] if directive == "#clear" && scopes.is_empty() => self.clear(name),
            [directive, file] if directive == "#include" && scopes.is_empty() => {
                let text = root.text_if_there(file).ok()?.unwrap_or_default();
                self.parse(&text, root, includes.checked_sub(1)?)?;
            }
            [directive, ..] if directive.starts_with('#') => return None,
            [value] => {
                let name = path(scopes, "");
                if !name.is_empty() {
                    self.lists.entry(name).or_default().push(value.clone());
                }
            }
            [name, value] => {
                let name = path(scopes, name);
                match name.strip_suffix("::") {
                    Some(list) => self.lists.entry(list.to_owned()).or_default().push(value.clone()),
                    None => {
                        self.values.insert(name, value.clone());
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn clear(&mut self, name: &str) {
        let name = name.trim_end_matches("::").to_ascii_lowercase();
        let below = format!("{name}::");
        self.values.retain(|other, _| *other != name && !other.starts_with(&below));
        self.lists.retain(|other, _| *other != name && !other.starts_with(&below));
    }
}

fn is_directive(text: &str) -> bool {
    ["#clear", "#include"]
        .iter()
        .any(|directive| text.strip_prefix(directive).is_some_and(|rest| rest.starts_with([' ', '\t'])))
}

fn path(scopes: &[String], name: &str) -> String {
    let parts: Vec<_> =
        scopes.iter().map(String::as_str).chain([name]).filter(|part| !part.is_empty()).collect();
    parts.join("::").to_ascii_lowercase()
}

/// Returns whether apt reads a file of this name in one of its folders: ASCII letters, digits, `-`, `_`, `.` and `:`, and
/// the right extension; without one only if `plain`.
pub(crate) fn is_read(name: &str, extension: Option<&str>, plain: bool) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let right = match name.rsplit_once('.') {
        Some((_, end)) => extension == Some(end),
        None => plain,
    };
    right && name.chars().all(is_plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<AptConf> {
        let mut conf = AptConf::default();
        conf.parse(text, &Root::at("/nonexistent"), 1).map(|()| conf)
    }

    /// Each row as `apt-config dump` of apt 2.6.1 shows it.
    #[test]
    fn statements_mean_what_apt_makes_of_them() {
        let before = "A::B \"1\";\nA::L { \"x\"; \"y\"; };\nX::Y { Z \"1\"; W \"2\"; };\n";
        for (text, value, list) in [
            ("", Some("1"), &["x", "y"][..]),
            ("#clear A::B;", None, &["x", "y"]),
            ("  #clear A::B;", None, &["x", "y"]),
            ("foo {}; #clear A::B;", None, &["x", "y"]),
            ("#clear A;", None, &[]),
            ("#clear A::L; A::L:: \"q\";", Some("1"), &["q"]),
            ("#CLEAR A::B;", Some("1"), &["x", "y"]),
            ("# clear A::B;", Some("1"), &["x", "y"]),
            ("clear A::B;", Some("1"), &["x", "y"]),
            ("A::L \"s\"; A::L:: \"t\";", Some("1"), &["x", "y", "t"]),
            ("A::B \"2\" # trailing \"no\";\n;", Some("2"), &["x", "y"]),
            ("A { B \"3\" };", Some("3"), &["x", "y"]),
            ("a::b \"3\"; // A::B \"4\";", Some("3"), &["x", "y"]),
            ("A::B \"\"; /* A::B \"9\";\n A::B \"8\"; */ # foo\n", Some(""), &["x", "y"]),
            ("A::B x;", Some("x"), &["x", "y"]),
            ("A::B \"http://x\";", Some("http://x"), &["x", "y"]),
            ("A::B;", Some("1"), &["x", "y"]),
            ("A { l { z; }; };", Some("1"), &["x", "y", "z"]),
        ] {
            let conf = of(&format!("{before}{text}\n")).unwrap();
            assert_eq!(conf.value("a::b"), value, "{text}");
            assert_eq!(conf.list("a::l").collect::<Vec<_>>(), list, "{text}");
            assert_eq!(conf.value("x::y::w"), Some("2"), "{text}");
        }
        for text in [
            "#clear A::B, X;",
            "#clear A::B\nN \"1\";",
            "A::B \"a\nb\";",
            "A::B \"1",
            "};",
            "A { #clear B; };",
        ] {
            assert!(of(text).is_none(), "{text}");
        }
    }

    /// As apt 2.6.1 reads or ignores them.
    #[test]
    fn file_names_are_read_as_apt_reads_them() {
        for name in ["99-a_b", "99.a.b.conf", "99.conf", "99a..conf", "99a.site.conf", "99a:b", "99plain"] {
            assert!(is_read(name, Some("conf"), true), "{name}");
        }
        for name in [
            "99CAPS.CONF",
            "99a.site",
            "99y.conf~",
            "99z.bak",
            "a b",
            "99a+b",
            "99a,b",
            ".hidden",
            "99x.dpkg-new",
        ] {
            assert!(!is_read(name, Some("conf"), true), "{name}");
        }
        assert!(!is_read("debian", Some("list"), false));
    }
}
