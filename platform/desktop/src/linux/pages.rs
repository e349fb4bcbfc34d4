//! WebKit's processes, which stay for pages to come.

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use std::path::Path;

/// Ends the processes that pages have left behind, for a program that is about to become another one: what that one
/// has not started it cannot end.
pub fn kill_web_processes() {
    for child in children(Path::new("/proc"), getpid().as_raw_pid()) {
        // Pages here keep nothing, so that there is nothing to save.
        if kill_process(child, Signal::KILL).is_ok() {
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
    }
}

/// The processes of WebKit whose parent this is (proc_pid_stat(5)).
fn children(proc: &Path, parent: i32) -> Vec<Pid> {
    let entries = proc.read_dir().into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may hold anything but ends at the last bracket.
            let (name, fields) = stat.rsplit_once(')')?;
            let ours = fields.split_whitespace().nth(1)?.parse() == Ok(parent);
            let id = name.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw)?;
            (ours && name.contains("(WebKit")).then_some(id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_only_webkit_children_of_this_process() {
        let proc = tempfile::tempdir().unwrap();
        let stats = [
            "10 (WebKitNetworkPr) S 7 10 10 0 -1",
            "11 (WebKitWebProces) S 8 10 10 0 -1",
            "12 (sh) S 7 10 10 0 -1",
            "13 (odd) (WebKit) S 7 1",
            "14",
        ];
        for stat in stats {
            let folder = proc.path().join(stat.split(' ').next().unwrap());
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("stat"), stat).unwrap();
        }
        std::fs::create_dir(proc.path().join("sys")).unwrap();
        let mut found: Vec<i32> = children(proc.path(), 7).iter().map(|pid| pid.as_raw_pid()).collect();
        found.sort_unstable();
        assert_eq!(found, [10, 13]);
    }
}
