//! Debian control data (deb822), as much of it as tells a package from another: dpkg's status, an archive's package
//! list, the head of a Release file. Read as it streams by, so that a list of any length costs one line of memory.

use crate::Root;
use std::io::Read;
use vitalsign_protocol::fact::Reason;

/// The longest line that is read.
const MAX_LINE: usize = 1024 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Only in dpkg's status: `install ok installed`.
    pub(crate) status: String,
}

/// Parses a stream of bytes into packages.
pub(crate) struct Paragraphs<F> {
    line: Vec<u8>,
    package: Package,
    each: F,
}

impl<F: FnMut(&Package)> Paragraphs<F> {
    pub(crate) fn new(each: F) -> Self {
        Self { line: Vec::new(), package: Package::default(), each }
    }

    /// The next bytes. False when they are not control data: a line without an end.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) if self.line.is_empty() => self.take(end),
                Some(end) => {
                    self.line.extend_from_slice(end);
                    let line = std::mem::take(&mut self.line);
                    self.take(&line);
                }
                None => self.line.extend_from_slice(piece),
            }
        }
        self.line.len() <= MAX_LINE
    }

    /// The end of the bytes.
    pub(crate) fn finish(mut self) {
        let line = std::mem::take(&mut self.line);
        self.take(&line);
        self.take(b"");
    }

    fn take(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            if !self.package.name.is_empty() {
                (self.each)(&self.package);
            }
            let Package { name, version, architecture, status } = &mut self.package;
            [name, version, architecture, status].into_iter().for_each(String::clear);
            return;
        }
        let fields = [
            (&b"Package:"[..], &mut self.package.name),
            (b"Version:", &mut self.package.version),
            (b"Architecture:", &mut self.package.architecture),
            (b"Status:", &mut self.package.status),
        ];
        for (name, value) in fields {
            if let Some(text) = line.strip_prefix(name) {
                value.clear();
                value.push_str(&String::from_utf8_lossy(text.trim_ascii()));
            }
        }
    }
}

pub(crate) fn file(root: &Root, path: &str, each: impl FnMut(&Package)) -> Result<(), Reason> {
    let mut paragraphs = Paragraphs::new(each);
    let mut file = root.open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            paragraphs.finish();
            return Ok(());
        }
        if !paragraphs.push(chunk.get(..length).unwrap_or_default()) {
            return Err(Reason::Malformed);
        }
    }
}

/// A field of the first paragraph of `text`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_the_bytes_come() {
        let text = "Package: a\nStatus: install ok installed\nDescription: x\n Package: no\nVersion: 1\n\n\nPackage: b\n\
                    Architecture: all\nVersion:2";
        let mut whole = Vec::new();
        for size in 1..text.len() {
            let mut seen = Vec::new();
            let mut paragraphs = Paragraphs::new(|package: &Package| seen.push(package.clone()));
            assert!(text.as_bytes().chunks(size).all(|chunk| paragraphs.push(chunk)));
            paragraphs.finish();
            if whole.is_empty() {
                whole.clone_from(&seen);
            }
            assert_eq!(seen, whole);
        }
        assert_eq!(whole.len(), 2);
        assert_eq!(
            (&*whole[0].name, &*whole[0].version, &*whole[0].status),
            ("a", "1", "install ok installed")
        );
        assert_eq!((&*whole[1].name, &*whole[1].version, &*whole[1].architecture), ("b", "2", "all"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut paragraphs = Paragraphs::new(|_: &Package| {});
        let endless = vec![b'x'; MAX_LINE / 4];
        assert!((0..4).all(|_| paragraphs.push(&endless)));
        assert!(!paragraphs.push(&endless));
    }
}
