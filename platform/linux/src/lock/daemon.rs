//! Lockers that are separate programs, which a session starts (Desktop Application Autostart Specification): a person
//! can keep one from being started, and its settings then mean nothing.

use super::LoginSession;
use super::desktop::Desktop;
use crate::Root;
use std::path::Path;
use vitalsign_protocol::fact::Reason;

const SYSTEM: &str = "/etc/xdg/autostart";
/// Maximum length of a process name in the kernel, in bytes.
const COMM: usize = 15;

/// The locker of a desktop that the session starts as a program.
fn program(desktop: Desktop) -> Option<&'static str> {
    match desktop {
        Desktop::Xfce => Some("xfce4-screensaver"),
        Desktop::Mate => Some("mate-screensaver"),
        _ => None,
    }
}

/// Returns whether something acts on the settings of the desktop's locker. Xfce before 4.18 starts it though it is turned
/// off, so that its process counts more.
///
/// # Errors
/// If a recorded tree says that it is turned off, and has no processes that could say otherwise.
pub(super) fn acts(root: &Root, session: &LoginSession, desktop: Desktop) -> Result<bool, Reason> {
    let Some(program) = program(desktop) else { return Ok(true) };
    if runs(root, program)? || is_started(root, &session.settings, program)? {
        return Ok(true);
    }
    if root.is_live() { Ok(false) } else { Err(Reason::Failed) }
}

/// Returns whether a program of this name runs for the user.
pub(super) fn runs(root: &Root, program: &str) -> Result<bool, Reason> {
    let pids = root.names("/proc")?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let named = |pid: &String| {
        let name = root.text(format!("/proc/{pid}/comm")).unwrap_or_default();
        program.bytes().take(COMM).eq(name.bytes())
    };
    Ok(pids.filter(named).any(|pid| is_own(root, &pid)))
}

/// Processes of the user that lock the screen, or have another program lock it.
pub(super) fn own_lockers(root: &Root) -> Vec<i32> {
    let names = super::compositor::DAEMONS.into_iter().chain(["xfce4-screensaver", "mate-screensaver"]);
    let names: Vec<_> = names.map(|name| name.as_bytes().get(..COMM).unwrap_or(name.as_bytes())).collect();
    let pids = root.names("/proc").unwrap_or_default();
    let named = |pid: &String| {
        let name = root.text(format!("/proc/{pid}/comm")).unwrap_or_default();
        names.contains(&name.trim_end().as_bytes()) && is_own(root, pid)
    };
    pids.into_iter()
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(named)
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Returns whether a process is of the user whose session this is, and does something: one that has ended may still be
/// listed, and a stopped one locks nothing.
pub(super) fn is_own(root: &Root, pid: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    let is_users = || std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == own);
    // A recorded tree may have no states.
    let stat = root.text(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !state.is_some_and(|state| "ZXxTt".contains(state)) && (!root.is_live() || is_users())
}

/// The user's entry hides the system's of the same name. A recorded tree may have neither.
fn is_started(root: &Root, settings: &Path, program: &str) -> Result<bool, Reason> {
    let mut entry = None;
    for folder in [&settings.join("autostart"), Path::new(SYSTEM)] {
        entry = entry.or(root.text_if_there(folder.join(format!("{program}.desktop")))?);
    }
    let is_off = |line: &str| {
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
        else {
            return false;
        };
        name == "Hidden" && value == "true" || name.ends_with("-Autostart-enabled") && value == "false"
    };
    Ok(!entry.unwrap_or_default().lines().any(is_off))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locker_that_is_turned_off_does_not_act() {
        let off = "[Desktop Entry]\nExec=xfce4-screensaver\nHidden=true\n";
        let on = "[Desktop Entry]\nExec=xfce4-screensaver\n";
        let by_gnome = "[Desktop Entry]\nX-GNOME-Autostart-enabled=false\n";
        for (user, system, process, expected) in [
            (None, None, None, Ok(true)),
            (None, Some(on), None, Ok(true)),
            (Some(off), Some(on), None, Err(Reason::Failed)),
            (Some(by_gnome), Some(on), None, Err(Reason::Failed)),
            (Some(on), Some(off), None, Ok(true)),
            (None, Some(off), None, Err(Reason::Failed)),
            (Some(off), Some(on), Some("xfce4-screensav"), Ok(true)),
            (Some(off), Some(on), Some("xfce4-panel"), Err(Reason::Failed)),
        ] {
            let tree = tempfile::tempdir().unwrap();
            let write = |path: &str, text: Option<&str>| {
                let path = tree.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                if let Some(text) = text {
                    std::fs::write(path, text).unwrap();
                }
            };
            write("proc/100/comm", process);
            write("home/.config/autostart/xfce4-screensaver.desktop", user);
            write("etc/xdg/autostart/xfce4-screensaver.desktop", system);
            let session = LoginSession { desktop: "XFCE".into(), settings: "/home/.config".into() };
            let seen = acts(&Root::at(tree.path()), &session, Desktop::Xfce);
            assert_eq!(seen, expected, "{user:?} {system:?} {process:?}");
        }
    }

    #[test]
    fn ended_and_stopped_programs_do_not_act() {
        for (state, acts) in [("S", true), ("R", true), ("Z", false), ("T", false)] {
            let tree = tempfile::tempdir().unwrap();
            let process = tree.path().join("proc/100");
            std::fs::create_dir_all(&process).unwrap();
            std::fs::write(process.join("comm"), "swayidle\n").unwrap();
            std::fs::write(process.join("stat"), format!("100 (sway) idle) {state} 1 100\n")).unwrap();
            let root = Root::at(tree.path());
            let found = own_lockers(&root);
            assert_eq!(found, if acts { vec![100] } else { vec![] }, "{state}");
        }
    }
}
