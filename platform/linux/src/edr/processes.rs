//! Finds products' main processes in `/proc`. A process counts if it is alive, in the host's namespaces, no person's, and
//! has the product's name and, where the system shows it, an executable in the product's folder.

use super::products::Product;
use crate::Root;
use std::path::{Path, PathBuf};
use vitalsign_protocol::fact::Reason;

/// Maximum length of a process name in the kernel, in bytes.
const COMM: usize = 15;
/// Control groups (version 2 and 1) that list services' processes.
const GROUPS: [&str; 2] = ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];
/// First user ID of human accounts. No product runs under one, but any user can choose a process name.
const FIRST_USER: u32 = 1000;
const NOBODY: u32 = 65_534;
/// Beginnings of the names of control groups that container managers create.
const CONTAINERS: [&str; 11] = [
    "docker-",
    "libpod",
    "crio-",
    "cri-containerd",
    "nerdctl-",
    "buildah-",
    "kubepods",
    "lxc.payload",
    "lxc.monitor",
    "machine.slice",
    "machine-",
];
/// Clock ticks per second in `/proc`, the same on every Linux architecture (`USER_HZ`).
const TICKS: u64 = 100;

pub(super) struct Processes {
    all: Vec<Process>,
    /// Whether `/proc` shows the processes of all users.
    pub(super) complete: bool,
}

struct Process {
    pid: i32,
    name: String,
    /// Path of the executable. The kernel shows it to the process's own user and to administrators only.
    program: Option<PathBuf>,
}

impl Processes {
    pub(super) fn read(root: &Root) -> Result<Self, Reason> {
        let pids = root.names("/proc")?.into_iter().filter_map(|name| name.parse().ok());
        let process = |pid: i32| {
            // The process may have ended meanwhile.
            let name = root.text(format!("/proc/{pid}/comm")).ok()?;
            let program = root.link(format!("/proc/{pid}/exe")).ok();
            Some(Process { pid, name, program: program.map(without_deleted) })
        };
        let all: Vec<_> = pids.filter_map(process).collect();
        // Mounted with hidepid, /proc shows a user nothing but that user's own.
        let complete = !root.is_live() || root.exists("/proc/1");
        Ok(Self { all, complete })
    }

    /// Processes of the product's main service.
    pub(super) fn of(&self, root: &Root, product: &Product) -> Vec<i32> {
        let in_units = units_pids(root, product);
        let is_main = |process: &Process| {
            let folder = process.is_in_folder(root, product);
            process.is_one_of(product.processes) && folder != Some(false)
                || process.is_one_of(product.common_names)
                    && (folder == Some(true) || folder.is_none() && in_units.contains(&process.pid))
        };
        let counts = |process: &&Process| is_main(process) && process.is_systems(root);
        self.all.iter().filter(counts).map(|process| process.pid).collect()
    }

    /// Processes of another program of the product.
    pub(super) fn program(&self, root: &Root, product: &Product, name: &str) -> Vec<i32> {
        let is_it = |process: &&Process| {
            process.is_one_of(&[name])
                && process.is_in_folder(root, product) != Some(false)
                && process.is_systems(root)
        };
        self.all.iter().filter(is_it).map(|process| process.pid).collect()
    }
}

/// Processes in the control groups of the product's units.
fn units_pids(root: &Root, product: &Product) -> Vec<i32> {
    let units =
        GROUPS.iter().flat_map(|group| product.units.iter().map(move |unit| format!("{group}/{unit}")));
    let listed = units.map(|unit| root.text(format!("{unit}/cgroup.procs")).unwrap_or_default());
    listed.flat_map(|pids| pids.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Time at which a process started, in seconds since 1970.
pub(super) fn started(root: &Root, pid: i32) -> Option<u64> {
    let stat = root.text("/proc/stat").ok()?;
    let boot: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let stat = root.text(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain spaces; the state follows as field 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    boot.checked_add(ticks / TICKS)
}

/// The kernel marks the path of an executable that an update has replaced.
fn without_deleted(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => path.into(),
        None => path,
    }
}

impl Process {
    fn is_one_of(&self, names: &[&str]) -> bool {
        let cut = |name: &str| name.bytes().take(COMM).eq(self.name.bytes());
        let file = self.program.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        names.iter().any(|name| cut(name) || file == Some(name))
    }

    /// Returns whether the executable is in a folder of the product; `None` if the system does not show it.
    fn is_in_folder(&self, root: &Root, product: &Product) -> Option<bool> {
        let program = self.program.as_deref()?;
        let contains = |folder: &&str| {
            program.starts_with(folder) || root.resolve(folder).is_ok_and(|real| program.starts_with(real))
        };
        Some(product.folders.iter().any(contains))
    }

    /// Returns whether the process works for this system: alive, in no container, and no person's.
    fn is_systems(&self, root: &Root) -> bool {
        let status = root.text(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.split_ascii_whitespace().collect::<Vec<_>>()))
        };
        let first = |name: &str| field(name)?.first().copied().map(str::to_owned);
        // A zombie has ended, and a stopped or frozen process does nothing.
        let ended = first("State:").is_some_and(|state| matches!(&*state, "Z" | "X" | "x" | "T" | "t"));
        let uid = first("Uid:").and_then(|uid| uid.parse::<u32>().ok());
        let persons = uid.is_some_and(|uid| uid >= FIRST_USER && uid != NOBODY);
        // One number for each PID namespace that the process is in.
        let nested = field("NSpid:").is_some_and(|pids| pids.len() > 1);
        !ended && !persons && !nested && !self.is_frozen(root) && !self.is_in_container(root)
    }

    /// Returns whether the process's control group is frozen (`systemctl freeze`; version 2 only).
    fn is_frozen(&self, root: &Root) -> bool {
        let groups = root.text(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let events = own.and_then(|own| root.text(format!("/sys/fs/cgroup{own}/cgroup.events")).ok());
        events.is_some_and(|events| events.lines().any(|line| line == "frozen 1"))
    }

    fn is_in_container(&self, root: &Root) -> bool {
        let differs = |kind: &str| {
            let of = |pid: i32| root.link(format!("/proc/{pid}/ns/{kind}")).ok();
            matches!((of(self.pid), of(1)), (Some(own), Some(init)) if own != init)
        };
        let groups = root.text(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let paths: Vec<_> = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).collect();
        let contained = paths.iter().any(|path| path.split('/').any(is_containers));
        // The service manager gives a sandboxed service a mount namespace too.
        let service = paths.iter().any(|path| path.starts_with("/system.slice/"));
        contained || differs("pid") || differs("mnt") && !service
    }
}

/// Returns whether a control group's name is that of a container, or of a manager's parent for them.
fn is_containers(name: &str) -> bool {
    let id = name.len() >= 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    id || matches!(name, "docker" | "lxc") || CONTAINERS.iter().any(|start| name.starts_with(start))
}
