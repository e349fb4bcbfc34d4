//! Desktops: which can be started on this machine, and whether a program is there that locks the screen by their settings.

use crate::Root;
use crate::release::assignments;
use std::collections::BTreeSet;
use vitalsign_protocol::fact::Reason;

/// Folders of files that each name a session a person can start.
const SESSIONS: [&str; 4] = [
    "/usr/share/wayland-sessions",
    "/usr/share/xsessions",
    "/usr/local/share/wayland-sessions",
    "/usr/local/share/xsessions",
];
/// Folders of programs.
const PROGRAMS: [&str; 6] =
    ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/usr/libexec", "/run/current-system/sw/bin"];
/// Window managers and compositors that never lock the screen by themselves.
const PLAIN: [&str; 24] = [
    "sway",
    "hyprland",
    "i3",
    "i3-with-shmlog",
    "openbox",
    "river",
    "labwc",
    "wayfire",
    "niri",
    "awesome",
    "bspwm",
    "dwm",
    "dwl",
    "xmonad",
    "fluxbox",
    "blackbox",
    "icewm",
    "jwm",
    "qtile",
    "twm",
    "herbstluftwm",
    "spectrwm",
    "ratpoison",
    "lightdm-xsession",
];
/// Programs that lock the screen when it is idle, or that have another program lock it then.
const LOCKERS: [&str; 18] = [
    "swayidle",
    "hypridle",
    "stasis",
    "xss-lock",
    "xautolock",
    "xidlehook",
    "light-locker",
    "xscreensaver",
    "swaylock",
    "hyprlock",
    "gtklock",
    "waylock",
    "i3lock",
    "slock",
    "xsecurelock",
    "xlock",
    "xfce4-screensaver",
    "mate-screensaver",
];
const SYSTEM_UNITS: &str = "/etc/systemd/system";

/// Desktop that can be started on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Desktop {
    Gnome,
    /// GNOME's older session, which brings its own locker.
    Flashback,
    Unity,
    Budgie,
    Plasma,
    Cinnamon,
    Mate,
    Xfce,
    /// Window manager or compositor that locks only with other programs.
    Plain,
    /// One application over the whole screen: it is never locked.
    Kiosk,
    /// Desktop that we do not know.
    Other,
}

/// Whether a program is there that locks the screen by a desktop's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locker {
    Present,
    Absent,
    /// The desktop locks only if a display manager started it, and none is set up.
    NotStarted,
    Unknown,
}

impl Locker {
    /// Present if one of the programs is there. Without any, `otherwise`, if the root has programs at all.
    fn of(root: &Root, programs: &[&str], otherwise: Self) -> Self {
        match programs.iter().any(|program| has_program(root, program)) {
            true => Self::Present,
            false if root.exists("/usr/bin") => otherwise,
            false => Self::Unknown,
        }
    }
}

impl Desktop {
    /// The desktop of `XDG_CURRENT_DESKTOP`: the first of its names that we know.
    pub(super) fn named(names: &str) -> Self {
        let known = names.split([':', ';']).map(Self::of).find(|desktop| *desktop != Self::Other);
        known.unwrap_or(Self::Other)
    }

    fn of(name: &str) -> Self {
        let name = name.trim().to_ascii_lowercase();
        match &*name {
            name if name.contains("kiosk") || name.starts_with("cage") => Self::Kiosk,
            name if name.contains("flashback") => Self::Flashback,
            name if name.contains("plasma") || name.starts_with("kde") => Self::Plasma,
            name if name.contains("cinnamon") => Self::Cinnamon,
            name if name.starts_with("budgie") => Self::Budgie,
            name if name.starts_with("mate") => Self::Mate,
            name if name.starts_with("xfce") || name == "xubuntu" => Self::Xfce,
            name if name.starts_with("unity") => Self::Unity,
            name if name.contains("gnome") || name.starts_with("ubuntu") => Self::Gnome,
            name if PLAIN.contains(&name) || name.starts_with("hyprland") || name.starts_with("sway") => {
                Self::Plain
            }
            _ => Self::Other,
        }
    }

    /// Looks for the program that acts on the desktop's settings.
    pub(super) fn locker(self, root: &Root) -> Locker {
        match self {
            // GNOME Shell locks only if GDM started it.
            Self::Gnome => match manager(root) {
                Ok(Manager::Gdm | Manager::NotRecorded) => Locker::Present,
                Ok(Manager::Other) => Locker::Absent,
                Ok(Manager::None) => Locker::NotStarted,
                Ok(Manager::Unknown) | Err(_) => Locker::Unknown,
            },
            Self::Flashback | Self::Unity => Locker::Present,
            // Its session on Wayland uses other lockers.
            Self::Budgie => {
                match Locker::of(root, &["budgie-screensaver", "gnome-screensaver"], Locker::Absent) {
                    Locker::Absent => match Locker::of(root, &["gtklock", "swaylock"], Locker::Absent) {
                        Locker::Present => Locker::Unknown,
                        other => other,
                    },
                    other => other,
                }
            }
            // Plasma depends on its locker, whose path differs between distributions.
            Self::Plasma if has_plasma_locker(root) => Locker::Present,
            Self::Plasma
                if ["plasmashell", "ksmserver"]
                    .iter()
                    .any(|name| root.exists(format!("/usr/bin/{name}"))) =>
            {
                Locker::Absent
            }
            Self::Plasma => Locker::Present,
            // Since 6.6, the shell locks by itself.
            Self::Cinnamon => Locker::of(root, &["cinnamon-screensaver"], Locker::Unknown),
            Self::Mate => Locker::of(root, &["mate-screensaver"], any_locker(root)),
            Self::Xfce => Locker::of(root, &["xfce4-screensaver"], any_locker(root)),
            Self::Plain => any_locker(root),
            Self::Kiosk => Locker::Absent,
            Self::Other => Locker::Unknown,
        }
    }
}

/// Absent if no program is there that could lock the screen of a desktop without its own locker.
fn any_locker(root: &Root) -> Locker {
    match Locker::of(root, &LOCKERS, Locker::Absent) {
        Locker::Absent => Locker::Absent,
        _ => Locker::Unknown,
    }
}

pub(super) fn has_program(root: &Root, name: &str) -> bool {
    PROGRAMS.iter().any(|folder| root.exists(format!("{folder}/{name}")))
}

fn has_plasma_locker(root: &Root) -> bool {
    let libraries =
        root.names("/usr/lib").unwrap_or_default().into_iter().map(|name| format!("/usr/lib/{name}/libexec"));
    let fixed = [
        "/usr/libexec",
        "/usr/lib/libexec",
        "/usr/lib",
        "/usr/lib64/libexec",
        "/run/current-system/sw/libexec",
    ];
    let mut folders = fixed.into_iter().map(str::to_owned).chain(libraries);
    folders.any(|folder| root.exists(format!("{folder}/kscreenlocker_greet")))
}

/// The desktops whose sessions a person can start.
pub(super) fn offered(root: &Root) -> Vec<Desktop> {
    let files = SESSIONS.iter().flat_map(|folder| {
        let names = root.names(folder).unwrap_or_default();
        names.into_iter().map(move |name| (format!("{folder}/{name}"), name))
    });
    let sessions: Vec<_> = files
        .filter_map(|(path, name)| {
            let text = root.text(path).unwrap_or_default();
            session(root, name.strip_suffix(".desktop")?, &text)
        })
        .collect();
    // A tree may be recorded without programs. Those of desktops that we know are then taken to be there.
    let some_found = sessions.iter().any(|session| session.found);
    let counts = |session: &&Session| {
        session.found || !some_found && !matches!(session.desktop, Desktop::Plain | Desktop::Other)
    };
    let started: BTreeSet<_> = sessions.iter().filter(counts).map(|session| session.desktop).collect();
    if started.is_empty() {
        return sessions.iter().map(|session| session.desktop).collect::<BTreeSet<_>>().into_iter().collect();
    }
    started.into_iter().collect()
}

struct Session {
    desktop: Desktop,
    /// Whether its program is there.
    found: bool,
}

/// A session's file (Desktop Entry Specification). `None` if it is hidden, or that of a log-in screen.
fn session(root: &Root, name: &str, text: &str) -> Option<Session> {
    let entry = text.split("\n[").find(|group| group.trim_start_matches('[').starts_with("Desktop Entry]"));
    let get = |key: &str| {
        let value = |line: &str| {
            Some(line.split_once('=').filter(|(name, _)| name.trim() == key)?.1.trim().to_owned())
        };
        entry.unwrap_or(text).lines().find_map(value)
    };
    if name.contains("greeter")
        || ["Hidden", "NoDisplay"].iter().any(|key| get(key).as_deref() == Some("true"))
    {
        return None;
    }
    let desktop =
        get("DesktopNames").map(|names| Desktop::named(&names)).filter(|named| *named != Desktop::Other);
    let mut desktop = desktop.unwrap_or_else(|| Desktop::of(name));
    let program = |command: String| {
        command.split_ascii_whitespace().next().map(|word| word.trim_matches('"').to_owned())
    };
    let programs: Vec<_> =
        ["TryExec", "Exec"].iter().filter_map(|key| get(key)).filter_map(program).collect();
    let by_default = programs.iter().any(|program| program == "default");
    let chosen = root.link("/etc/alternatives/x-session-manager").ok();
    let chosen = chosen.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())).filter(|_| by_default);
    if let Some(chosen) = &chosen {
        desktop = Desktop::of(chosen.trim_start_matches("start"));
    }
    let is_there = |program: &String| match &**program {
        // Display managers start the session that the system chose for this word.
        "default" => chosen.is_some(),
        "env" | "/usr/bin/env" => true,
        path if path.starts_with('/') => root.exists(path),
        name => has_program(root, name),
    };
    // Without a command, no session can be started; a recorded tree may leave it out.
    let known = !matches!(desktop, Desktop::Plain | Desktop::Other);
    Some(Session { desktop, found: programs.iter().all(is_there) && (known || !programs.is_empty()) })
}

/// Returns whether a kiosk is started instead of a log-in screen.
pub(super) fn kiosk(root: &Root) -> bool {
    let is_kiosk = |unit: &str| {
        ["cage@", "cage-", "cage.", "kiosk", "gnome-kiosk", "ubuntu-frame"]
            .iter()
            .any(|start| unit.starts_with(start))
    };
    let targets = ["graphical.target.wants", "multi-user.target.wants", "default.target.wants"];
    let wanted =
        targets.iter().flat_map(|target| root.names(format!("{SYSTEM_UNITS}/{target}")).unwrap_or_default());
    let manager = root.link(format!("{SYSTEM_UNITS}/display-manager.service"));
    let manager = manager.ok().and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
    wanted.chain(manager).any(|unit| is_kiosk(&unit))
}

/// Returns whether a graphical login is or may be shown.
pub(super) fn has_display(root: &Root) -> bool {
    let target = root.link(format!("{SYSTEM_UNITS}/default.target"));
    root.exists(format!("{SYSTEM_UNITS}/display-manager.service"))
        || root.exists("/etc/X11/default-display-manager")
        || root.exists("/tmp/.X11-unix/X0")
        || target.is_ok_and(|target| target.ends_with("graphical.target") && root.exists("/usr/bin/Xorg"))
}

/// Display manager: the program that shows the log-in screen and starts sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Gdm,
    Other,
    /// No display manager is set up: sessions are started from a terminal.
    None,
    Unknown,
    /// A recorded tree that does not contain it.
    NotRecorded,
}

const GDM_PROCESSES: [&str; 5] = ["gdm", "gdm3", "gdm-session-wor", "gdm-x-session", "gdm-wayland-ses"];
const OTHER_MANAGERS: [&str; 16] = [
    "lightdm",
    "sddm",
    "plasmalogin",
    "lxdm",
    "xdm",
    "wdm",
    "slim",
    "nodm",
    "kdm",
    "mdm",
    "ly",
    "ly-dm",
    "greetd",
    "emptty",
    "lemurs",
    "cosmic-greeter",
];

fn manager(root: &Root) -> Result<Manager, Reason> {
    let named = |name: &str| match name.split(['@', '.']).next().unwrap_or_default() {
        "gdm" | "gdm3" => Manager::Gdm,
        name if OTHER_MANAGERS.contains(&name) => Manager::Other,
        _ => Manager::Unknown,
    };
    // What runs is certain.
    let is_systems = |pid: &str| {
        let status = root.text(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines();
        let uid = lines.find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next());
        uid.is_none_or(|uid| uid == "0")
    };
    let mut others = false;
    for pid in root.names("/proc")?.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let name = root.text(format!("/proc/{pid}/comm")).unwrap_or_default();
        if GDM_PROCESSES.contains(&&*name) && is_systems(pid) {
            return Ok(Manager::Gdm);
        }
        others |= OTHER_MANAGERS.contains(&&*name) && is_systems(pid);
    }
    if others {
        return Ok(Manager::Other);
    }
    let unit = format!("{SYSTEM_UNITS}/display-manager.service");
    let by_unit = match root.link(&unit) {
        Ok(link) if link.ends_with("null") => Some(Manager::None),
        Ok(link) if !link.ends_with("display-manager.service") => {
            Some(named(&link.file_name().unwrap_or_default().to_string_lossy()))
        }
        // A unit of this name, which runs the manager itself.
        _ => root.text_if_there(&unit)?.map(|text| {
            if text.is_empty() {
                return Manager::NotRecorded;
            }
            let command = text.lines().find_map(|line| line.trim().strip_prefix("ExecStart="));
            let program = command.and_then(|command| command.split_ascii_whitespace().next());
            program.map_or(Manager::Unknown, |program| named(program.rsplit('/').next().unwrap_or_default()))
        }),
    };
    // openSUSE's unit starts the manager that this file names.
    let sysconfig = root.text_if_there("/etc/sysconfig/displaymanager")?.unwrap_or_default();
    let by_unit = match assignments(&sysconfig).get("DISPLAYMANAGER").filter(|name| !name.is_empty()) {
        Some(name) if by_unit == Some(Manager::Unknown) => Some(named(name)),
        _ => by_unit,
    };
    // Debian's units start only the manager that this file names.
    let by_default = root.text_if_there("/etc/X11/default-display-manager")?;
    let by_default = by_default.map(|path| named(path.rsplit('/').next().unwrap_or_default()));
    Ok(match (by_unit, by_default) {
        (Some(Manager::NotRecorded), Some(default)) => default,
        (Some(unit), Some(default)) if unit != default => Manager::Unknown,
        (Some(manager), _) | (None, Some(manager)) => manager,
        (None, None)
            if root.exists("/proc/1") || root.link(format!("{SYSTEM_UNITS}/default.target")).is_ok() =>
        {
            Manager::None
        }
        (None, None) => Manager::NotRecorded,
    })
}
