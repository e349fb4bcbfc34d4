//! Root of the file system that probes read: `/` or a recorded tree. Reads are capped, and links inside a
//! recorded tree cannot lead out of it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most bytes that a probe reads from one file.
pub const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Identifies a version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in seconds since 1970; zero for earlier times.
    pub modified: u64,
    /// Nanoseconds of the modification time.
    pub modified_nanos: i64,
    /// Change time of the inode. Recorded trees cannot preserve it.
    pub changed: u64,
}

impl std::fmt::Display for Stamp {
    /// Everything but `changed`: a key for caches.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.inode, self.size, self.modified, self.modified_nanos)
    }
}

#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self("/".into())
    }
}

impl Root {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Returns whether this is the running machine. Live sources (netlink, D-Bus, commands, processes)
    /// describe only that one.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Resolves an absolute path below this root.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Bytes of a file, at most [`MAX_FILE`].
    ///
    /// # Errors
    /// As the file system says; `InvalidData` when there is more.
    pub fn read(&self, absolute: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(self.path(absolute))?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|n| n <= MAX_FILE) {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the file is larger than a probe reads"))
        }
    }

    /// Reads a text file and trims it; invalid UTF-8 is replaced.
    ///
    /// # Errors
    /// As [`Root::read`].
    pub fn text(&self, absolute: impl AsRef<Path>) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(absolute)?).trim().to_owned())
    }

    /// Text of a file, or none when there is no such file.
    ///
    /// # Errors
    /// As [`Root::read`], but for a missing file.
    pub fn text_if_there(&self, absolute: impl AsRef<Path>) -> io::Result<Option<String>> {
        match self.text(absolute) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names in a folder, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// As the file system says, but for a missing folder.
    pub fn names(&self, absolute: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.path(absolute)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The stamp of a file or folder.
    pub fn stamp(&self, absolute: impl AsRef<Path>) -> io::Result<Stamp> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(self.path(absolute))?;
        Ok(Stamp {
            inode: meta.ino(),
            size: meta.size(),
            modified: u64::try_from(meta.mtime()).unwrap_or(0),
            modified_nanos: meta.mtime_nsec(),
            changed: u64::try_from(meta.ctime()).unwrap_or(0),
        })
    }

    #[must_use]
    pub fn exists(&self, absolute: impl AsRef<Path>) -> bool {
        self.path(absolute).symlink_metadata().is_ok()
    }
}
