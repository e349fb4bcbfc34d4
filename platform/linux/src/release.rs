//! os-release(5): name, version, build, end of support.

use crate::{Root, date};
use std::collections::BTreeMap;
use vitalsign_protocol::fact::{Fact, MAX_TEXT, Reason};
use vitalsign_protocol::posture::{Os, Posture};

/// The fields of os-release.
///
/// # Errors
/// When neither `/etc/os-release` nor `/usr/lib/os-release` can be read.
pub fn fields(root: &Root) -> Result<BTreeMap<String, String>, Reason> {
    let text = match root.text("/etc/os-release") {
        Ok(text) => text,
        Err(_) => root.text("/usr/lib/os-release")?,
    };
    Ok(assignments(&text))
}

/// `NAME=value` lines of a shell's variables, with or without quotes.
pub(crate) fn assignments(text: &str) -> BTreeMap<String, String> {
    let assignment = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let value = match quoted('"') {
            Some(value) => unescape(value),
            None => quoted('\'').unwrap_or(value).to_owned(),
        };
        (!name.starts_with('#')).then(|| (name.to_owned(), value))
    };
    text.lines().filter_map(assignment).collect()
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn read(root: &Root) -> Result<Os, Reason> {
    let fields = fields(root)?;
    let field =
        |name: &str| fields.get(name).filter(|value| !value.is_empty() && value.len() <= MAX_TEXT).cloned();
    // Debian's point release is in a separate file.
    let point = || {
        let text = root.text_if_there("/etc/debian_version").ok().flatten();
        text.filter(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= MAX_TEXT)
    };
    let name = field("ID").unwrap_or_else(|| "linux".to_owned());
    let build = field("BUILD_ID").or_else(|| field("IMAGE_VERSION")).or_else(|| field("OSTREE_VERSION"));
    let build = build.or_else(|| if name == "debian" { point() } else { None });
    Ok(Os {
        name: Fact::Known(name),
        version: Fact::or_unsupported(field("VERSION_ID")),
        build: Fact::or_unsupported(build),
        support_ends: match field("SUPPORT_END") {
            Some(day) => date::iso(&day).map_or(Fact::Unreadable(Reason::Malformed), Fact::Known),
            None => Fact::Unsupported,
        },
        ..Os::default()
    })
}

pub(super) fn put(posture: &mut Posture, seen: Result<Os, Reason>) {
    let os = &mut posture.os;
    match seen {
        Ok(seen) => {
            (os.name, os.version, os.build, os.support_ends) =
                (seen.name, seen.version, seen.build, seen.support_ends);
        }
        Err(reason) => {
            os.name = Fact::Unreadable(reason);
            os.version = Fact::Unreadable(reason);
            os.build = Fact::Unreadable(reason);
            os.support_ends = Fact::Unreadable(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_variables() {
        let text = "ID=debian\n# NAME=no\nA=\"x \\\"y\\\" \\$z\"\nB='it'\nC=\nnonsense\n D=1\n";
        let fields = assignments(text);
        for (name, value) in [("ID", "debian"), ("A", "x \"y\" $z"), ("B", "it"), ("C", ""), ("D", "1")] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(fields.len(), 5);
    }
}
