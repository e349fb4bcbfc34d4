//! Finds products' processes in `/proc` and in systemd's control groups.

use super::products::Product;
use crate::Root;
use vitalsign_protocol::fact::Reason;

/// Maximum length of a process name in the kernel, in bytes.
const COMM: usize = 15;
/// Control groups (version 2 and 1) that list services' processes.
const GROUPS: [&str; 2] = ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];
/// First user ID of human accounts. No product runs under one, but any user can choose a process name.
const FIRST_USER: u32 = 1000;
const NOBODY: u32 = 65_534;

pub(super) struct Processes {
    all: Vec<Process>,
    /// Whether `/proc` shows the processes of all users.
    pub(super) complete: bool,
}

struct Process {
    pid: i32,
    name: String,
    program: Option<String>,
}

impl Processes {
    pub(super) fn read(root: &Root) -> Result<Self, Reason> {
        let pids = root.names("/proc")?.into_iter().filter_map(|name| name.parse().ok());
        let process = |pid: i32| {
            // The process may have ended meanwhile.
            let name = root.text(format!("/proc/{pid}/comm")).ok()?;
            let program = root.link(format!("/proc/{pid}/exe")).ok();
            let program = program.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
            Some(Process { pid, name, program })
        };
        let all: Vec<_> = pids.filter_map(process).collect();
        // Mounted with hidepid, /proc shows a user nothing but that user's own.
        let complete = !root.is_live() || root.exists("/proc/1");
        Ok(Self { all, complete })
    }

    /// Processes of a product, by its services and by its processes' names.
    pub(super) fn of(&self, root: &Root, product: &Product) -> Vec<i32> {
        let mut pids = Vec::new();
        for (group, unit) in
            GROUPS.iter().flat_map(|group| product.units.iter().map(move |unit| (group, unit)))
        {
            let listed = root.text(format!("{group}/{unit}/cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
        }
        let named = self.all.iter().filter(|process| process.is_one_of(product.processes));
        pids.extend(named.filter(|process| process.is_systems(root)).map(|process| process.pid));
        pids
    }

    /// Returns whether a process with this name runs.
    pub(super) fn any(&self, root: &Root, name: &str) -> bool {
        self.all.iter().any(|process| process.is_one_of(&[name]) && process.is_systems(root))
    }
}

impl Process {
    fn is_one_of(&self, names: &[&str]) -> bool {
        let cut = |name: &str| name.bytes().take(COMM).eq(self.name.bytes());
        names.iter().any(|name| cut(name) || self.program.as_deref() == Some(name))
    }

    /// Returns whether the process belongs to the system or a service, not to a human account.
    fn is_systems(&self, root: &Root) -> bool {
        let status = root.text(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let uid = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next()?.parse().ok());
        uid.is_none_or(|uid: u32| uid < FIRST_USER || uid == NOBODY)
    }
}
