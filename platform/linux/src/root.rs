//! Root of the file system that probes read: `/`, a recorded tree or a mounted image. Reads are capped. Below another
//! root than `/`, links are resolved as if it were `/` (openat2(2), `RESOLVE_IN_ROOT`), so that none leads out of it.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2, readlinkat};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The most bytes that a probe reads from one file.
pub const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Attempts to open a path below another root than `/` while the machine's folders change.
const MAX_OPEN_TRIES: u8 = 100;

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

    /// Joins an absolute path to this root, without resolving links.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Opens a file or device for reading. Does not wait for the other end of a pipe.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(&self, absolute: impl AsRef<Path>) -> io::Result<File> {
        Ok(self.open_with(absolute.as_ref(), OFlags::RDONLY | OFlags::NONBLOCK)?.into())
    }

    fn open_with(&self, absolute: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        if self.is_live() {
            return Ok(rustix::fs::open(absolute, flags, Mode::empty())?);
        }
        let root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &self.0, root, Mode::empty())?;
        // The kernel gives up on `..` while anything on the machine is renamed or mounted, and says so (openat2(2), EAGAIN).
        let mut tries = MAX_OPEN_TRIES;
        loop {
            match openat2(&root, absolute, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                Err(rustix::io::Errno::AGAIN) if tries > 0 => tries -= 1,
                opened => return Ok(opened?),
            }
        }
    }

    /// Returns the target of a symbolic link, as it is stored.
    ///
    /// # Errors
    /// As the file system says; `InvalidInput` if it is not a link.
    pub fn link(&self, absolute: impl AsRef<Path>) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let link = self.open_with(absolute.as_ref(), OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = readlinkat(&link, "", Vec::new())?;
        Ok(std::ffi::OsString::from_vec(target.into_bytes()).into())
    }

    /// Resolves every link of a path. The result is absolute and below this root.
    ///
    /// # Errors
    /// As the file system says.
    pub fn resolve(&self, absolute: impl AsRef<Path>) -> io::Result<PathBuf> {
        use std::os::fd::AsRawFd;
        let found = self.open_with(absolute.as_ref(), OFlags::PATH)?;
        let real = std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
        let below = real.strip_prefix(self.0.canonicalize()?).map_err(|_| io::ErrorKind::NotFound)?;
        Ok(Path::new("/").join(below))
    }

    /// Bytes of a file, at most [`MAX_FILE`].
    ///
    /// # Errors
    /// As the file system says; `InvalidData` when there is more.
    pub fn read(&self, absolute: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(absolute)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
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
        let folder = match self.open_with(absolute.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The stamp of a file or folder.
    pub fn stamp(&self, absolute: impl AsRef<Path>) -> io::Result<Stamp> {
        use std::os::unix::fs::MetadataExt;
        let meta = File::from(self.open_with(absolute.as_ref(), OFlags::PATH)?).metadata()?;
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
        self.open_with(absolute.as_ref(), OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn renames_elsewhere_do_not_fail_a_read() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::create_dir_all(folder.path().join("x")).unwrap();
        std::fs::write(tree.join("file"), "text").unwrap();
        symlink("../../../file", tree.join("a/b/c/link")).unwrap();
        let (root, stop) = (Root::at(&tree), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::fs::rename(folder.path().join("x"), folder.path().join("y")).unwrap();
                    std::fs::rename(folder.path().join("y"), folder.path().join("x")).unwrap();
                }
            });
            let failed = (0..20_000).find_map(|_| root.text("/a/b/c/link").err());
            stop.store(true, Ordering::Relaxed);
            assert!(failed.is_none(), "{failed:?}");
        });
    }

    #[test]
    fn links_stay_within_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        std::fs::write(&outside, "outside").unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::create_dir_all(tree.join("usr/lib")).unwrap();
        std::fs::write(tree.join("usr/lib/os-release"), "ID=inside").unwrap();
        symlink("/usr/lib/os-release", tree.join("etc/os-release")).unwrap();
        symlink("../../../../usr/lib", tree.join("etc/lib")).unwrap();
        symlink(&outside, tree.join("etc/absolute")).unwrap();
        symlink("../../outside", tree.join("etc/relative")).unwrap();
        let root = Root::at(&tree);
        assert_eq!(root.text("/etc/os-release").unwrap(), "ID=inside");
        assert_eq!(root.text("/etc/lib/os-release").unwrap(), "ID=inside");
        assert_eq!(root.names("/etc/lib").unwrap(), ["os-release"]);
        assert_eq!(root.resolve("/etc/lib/os-release").unwrap(), Path::new("/usr/lib/os-release"));
        assert_eq!(root.link("/etc/os-release").unwrap(), Path::new("/usr/lib/os-release"));
        assert_eq!(root.stamp("/etc/os-release").unwrap().size, 9);
        for path in ["/etc/absolute", "/etc/relative", "/../outside", "/etc/../../outside"] {
            assert_eq!(root.text(path).unwrap_err().kind(), io::ErrorKind::NotFound, "{path}");
            assert!(root.stamp(path).is_err(), "{path}");
        }
        assert!(root.exists("/etc/absolute"), "the link itself");
        assert!(root.link("/usr/lib/os-release").is_err());
    }
}
