//! Notices changes of a session's lock settings: inotify(7) on the files that hold them, and on logind's seats; and the end
//! of the programs that act on them.

use super::{LoginSession, daemon};
use crate::Root;
use crate::seat::SEATS;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time for which a burst of changes is collected: programs replace several files at once.
const BURST: Duration = Duration::from_millis(200);
const FLAGS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ONLYDIR);

/// Names of files that count in a folder; with none, all do.
type Names = &'static [&'static str];

/// Folders within the user's folder of settings. Those on the way to a file are there because it may not exist yet.
const OWN: [(&str, Names); 8] = [
    ("", &["autostart", "kscreenlockerrc", "dconf", "hypr", "swayidle", "xfce4"]),
    ("autostart", &["xfce4-screensaver.desktop", "mate-screensaver.desktop"]),
    ("dconf", &["user"]),
    ("hypr", &["hypridle.conf"]),
    ("swayidle", &["config"]),
    ("xfce4", &["xfconf"]),
    ("xfce4/xfconf", &["xfce-perchannel-xml"]),
    ("xfce4/xfconf/xfce-perchannel-xml", &[]),
];
/// Files beside the user's folder of settings.
const HOME: Names = &[".xscreensaver"];
const SYSTEM: [(&str, Names); 5] = [
    ("/etc/dconf/db", &[]),
    ("/etc/dconf/profile", &["user"]),
    ("/etc/xdg", &["kscreenlockerrc", "xfce4"]),
    ("/etc/xdg/xfce4/xfconf/xfce-perchannel-xml", &[]),
    // A claim about a session counts only in front: it is repeated when the session comes back.
    (SEATS, &[]),
];

/// Watch of one session's settings.
#[derive(Debug)]
pub struct SettingsWatch {
    root: Root,
    inotify: OwnedFd,
    /// Idle daemons and lockers that run.
    programs: Vec<OwnedFd>,
    folders: Vec<(PathBuf, Names)>,
    names: HashMap<i32, Names>,
}

impl SettingsWatch {
    /// Starts to watch.
    ///
    /// # Errors
    /// When there is no file descriptor left.
    pub fn new(root: &Root, session: &LoginSession) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let own = OWN.map(|(folder, names)| (session.settings.join(folder), names));
        let system = SYSTEM.map(|(folder, names)| (Path::new(folder).to_owned(), names));
        let home = session.settings.parent().map(|home| (home.to_owned(), HOME));
        let folders = own.into_iter().chain(home).chain(system);
        let folders = folders.map(|(path, names)| (root.path(path), names)).collect();
        let mut watch =
            Self { root: root.clone(), inotify, programs: Vec::new(), folders, names: HashMap::new() };
        watch.extend();
        watch.look_for_programs();
        Ok(watch)
    }

    /// Looks again for the programs whose end is a change. Call it before the settings are read, so that no end is missed.
    pub fn look_for_programs(&mut self) {
        if self.root.is_live() {
            let open = |pid: i32| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok();
            self.programs = daemon::own_lockers(&self.root).into_iter().filter_map(open).collect();
        }
    }

    /// Waits for a change, at most `patience`, and then for the end of its burst. Returns whether one came.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        let end = Instant::now() + patience;
        loop {
            let ended = self.wait_until(end)?;
            if self.take()? || ended {
                break;
            }
            if Instant::now() >= end {
                return Ok(false);
            }
        }
        // What has ended stays ready.
        self.programs.clear();
        let end = Instant::now() + BURST;
        while Instant::now() < end {
            self.wait_until(end)?;
            self.take()?;
        }
        Ok(true)
    }

    /// Watches folders that have come since; to watch one again changes nothing.
    fn extend(&mut self) {
        for (folder, names) in &self.folders {
            if let Ok(watch) = inotify::add_watch(&self.inotify, folder, FLAGS) {
                self.names.insert(watch, names);
            }
        }
    }

    /// Waits for an event or the end of a program, of which it returns whether there was one.
    fn wait_until(&self, end: Instant) -> io::Result<bool> {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        let watched = std::iter::once(&self.inotify).chain(&self.programs);
        let mut ready: Vec<_> = watched.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut ready, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(ready.iter().skip(1).any(|fd| !fd.revents().is_empty()))
    }

    /// Takes all events that have come; returns whether one of them counts.
    fn take(&mut self) -> io::Result<bool> {
        let mut counts = false;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
            let known = self.names.get(&event.wd());
            counts |= event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                || known.is_some_and(|names| names.is_empty() || names.contains(&name));
        }
        if counts {
            self.extend();
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn notices_settings_and_seats_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let session = LoginSession { desktop: "KDE".into(), settings: "/home/nurse/.config".into() };
        let config = root.path(&session.settings);
        fs::create_dir_all(&config).unwrap();
        fs::create_dir_all(root.path(SEATS)).unwrap();
        let mut watch = SettingsWatch::new(&root, &session).unwrap();
        let write = |path: &str| {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path.with_extension("new"), "x").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        };
        for path in [
            "/home/nurse/.config/kscreenlockerrc",
            // Its folder is new, too.
            "/home/nurse/.config/dconf/user",
            "/home/nurse/.config/dconf/user",
            "/home/nurse/.config/autostart/xfce4-screensaver.desktop",
            "/home/nurse/.xscreensaver",
            "/home/nurse/.config/hypr/hypridle.conf",
            "/home/nurse/.config/swayidle/config",
            "/home/nurse/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml",
            "/run/systemd/seats/seat0",
        ] {
            write(path);
            assert!(watch.wait(SOON).unwrap(), "{path}");
        }
        write("/home/nurse/.config/mimeapps.list");
        write("/home/nurse/.config/hypr/hyprland.conf");
        assert!(!watch.wait(Duration::ZERO).unwrap());
    }

    #[test]
    fn notices_the_end_of_an_idle_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("swayidle");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut daemon = std::process::Command::new(&program).arg("600").spawn().unwrap();
        let session = LoginSession { desktop: "sway".into(), settings: folder.path().into() };
        let mut watch = SettingsWatch::new(&Root::default(), &session).unwrap();
        assert!(!watch.wait(Duration::ZERO).unwrap());
        watch.look_for_programs();
        daemon.kill().unwrap();
        assert!(watch.wait(SOON).unwrap());
        // What has ended and is still listed is no news again.
        watch.look_for_programs();
        assert!(!watch.wait(Duration::ZERO).unwrap());
        daemon.wait().unwrap();
    }
}
