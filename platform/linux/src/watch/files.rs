//! Folders in which a file's coming, going or change means something (inotify(7)).

use super::source::Note;
use crate::Root;
use crate::seat::SEATS;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use vitalsign_platform_api::Change;

/// Names of files, and what each means.
type Names = &'static [(&'static str, Note)];

const OS: Note = Note::Change(Change::Os);
/// Names in an RPM database. Its locks and shared memory change with every reader, and are left out.
const RPM: Names = &[("rpmdb.sqlite", OS), ("rpmdb.sqlite-wal", OS), ("Packages", OS), ("Packages.db", OS)];
const SEAT: Note = Note::Change(Change::Seat);
const ANY: &str = "*";

const REPLACED: WatchFlags = WatchFlags::CREATE.union(WatchFlags::DELETE).union(WatchFlags::MOVED_TO);
/// Files that are also written in place. Not "closed after writing": readers that only take a lock would count.
const WRITTEN: WatchFlags = REPLACED.union(WatchFlags::MODIFY);

const FOLDERS: [(&str, WatchFlags, Names); 9] = [
    ("/var/lib/dpkg", WRITTEN, &[("status", OS)]),
    ("/var/lib/rpm", WRITTEN, RPM),
    ("/usr/lib/sysimage/rpm", WRITTEN, RPM),
    ("/var/lib/apt/lists", WatchFlags::MOVED_TO.union(WatchFlags::DELETE), &[(ANY, OS)]),
    (SEATS, WatchFlags::MOVED_TO.union(WatchFlags::DELETE), &[(ANY, SEAT)]),
    ("/etc", REPLACED, &[("os-release", OS)]),
    ("/usr/lib", REPLACED, &[("os-release", OS)]),
    ("/run", REPLACED, &[("reboot-required", OS), ("dbus", Note::Bus)]),
    ("/run/dbus", REPLACED, &[("system_bus_socket", Note::Bus)]),
];

pub(super) struct Files {
    inotify: OwnedFd,
    names: HashMap<i32, Names>,
}

impl Files {
    /// Watches those folders that there are.
    pub(super) fn watch(root: &Root) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut files = Self { inotify, names: HashMap::new() };
        files.extend(root);
        Ok(files)
    }

    /// Watches folders that have come since; to watch one again changes nothing.
    pub(super) fn extend(&mut self, root: &Root) {
        for (folder, flags, names) in FOLDERS {
            let flags = flags | WatchFlags::ONLYDIR;
            if let Ok(watch) = inotify::add_watch(&self.inotify, root.path(folder), flags) {
                self.names.insert(watch, names);
            }
        }
    }

    pub(super) fn read(&mut self, mut note: impl FnMut(Note)) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                note(OS);
                note(SEAT);
            }
            let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
            let known = self.names.get(&event.wd()).copied().unwrap_or_default();
            if let Some((_, noted)) = known.iter().find(|(known, _)| [name, ANY].contains(known)) {
                note(*noted);
            }
        }
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
