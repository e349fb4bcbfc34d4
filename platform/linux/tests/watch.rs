//! Changes that the system pushes, each caused for real: rules and links in network namespaces, files in folders of the
//! test's own, processes that end. Needs root, `nft`, `ip` and `unshare`.
#![cfg(target_os = "linux")]

#[cfg(test)]
#[path = "firewall/namespace.rs"]
mod namespace;

#[cfg(test)]
mod tests {
    use super::namespace::{Namespace, shell};
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::{Duration, Instant};
    use vitalsign_linux::Root;
    use vitalsign_linux::watch::{Watcher, watch};
    use vitalsign_platform_api::Change;

    /// Waits for a change of a kind; others may come before it.
    fn wait_for(changes: &Receiver<Change>, kind: Change) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while changes.recv_timeout(deadline - Instant::now()).expect("the change within its deadline") != kind
        {
        }
    }

    /// Counts the changes of a kind until `last` arrives, which was triggered after them.
    fn count_until(changes: &Receiver<Change>, kind: Change, last: Change) -> usize {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut count = 0;
        loop {
            match changes.recv_timeout(deadline - Instant::now()).expect("the change within its deadline") {
                change if change == last => return count,
                change => count += usize::from(change == kind),
            }
        }
    }

    fn live() -> (Watcher, Receiver<Change>) {
        let (sender, changes) = channel();
        (watch(&Root::default(), Vec::new, sender).unwrap(), changes)
    }

    fn below(folder: &Path) -> (Watcher, Receiver<Change>) {
        let (sender, changes) = channel();
        (watch(&Root::at(folder), Vec::new, sender).unwrap(), changes)
    }

    fn sleeper() -> Child {
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn rules_are_firewall_changes_set_elements_are_not() {
        Namespace::new().run(|| {
            shell("nft 'add table inet f; add set inet f banned { type ipv4_addr; }; add chain inet f i'");
            let (watcher, changes) = live();
            assert!(
                !watcher.blind().iter().any(|(name, _)| *name == "packet filter"),
                "{:?}",
                watcher.blind()
            );
            shell("nft add element inet f banned '{ 192.0.2.1, 192.0.2.2 }'");
            shell("ip link set lo up");
            assert_eq!(count_until(&changes, Change::Firewall, Change::Network), 0);
            for change in
                ["add rule inet f i drop", "flush chain inet f i", "delete chain inet f i", "flush ruleset"]
            {
                shell(&format!("nft {change}"));
                wait_for(&changes, Change::Firewall);
            }
        });
    }

    #[test]
    fn links_and_addresses_are_changes_of_the_network() {
        Namespace::new().run(|| {
            let (_watcher, changes) = live();
            for change in [
                "link add br9 type bridge",
                "link set br9 up",
                "address add 192.0.2.1/24 dev br9",
                "link delete br9",
            ] {
                shell(&format!("ip {change}"));
                wait_for(&changes, Change::Network);
            }
        });
    }

    #[test]
    fn a_mount_is_a_change_of_the_disks() {
        // In a mount namespace that is the watcher's own: its thread and those it starts.
        let mut script = Command::new("unshare");
        let exe = std::env::current_exe().unwrap();
        let inner = script
            .args(["-m"])
            .arg(exe)
            .args(["--exact", "tests::mounting", "--nocapture"])
            .env("VITALSIGN_MOUNT", "1");
        assert!(inner.status().unwrap().success());
    }

    /// The other half of the test above; by itself it mounts nothing, and looks at the watcher only.
    #[test]
    fn mounting() {
        let folder = tempfile::tempdir().unwrap();
        let (watcher, changes) = live();
        assert!(
            !watcher.blind().iter().any(|(name, _)| ["mounts", "swaps"].contains(name)),
            "{:?}",
            watcher.blind()
        );
        if std::env::var_os("VITALSIGN_MOUNT").is_some() {
            shell(&format!("mount -t tmpfs tmpfs {0}", folder.path().display()));
            wait_for(&changes, Change::Disk);
            shell(&format!("umount {0}", folder.path().display()));
            wait_for(&changes, Change::Disk);
        }
    }

    #[test]
    fn block_device_events_are_disk_changes() {
        let (watcher, changes) = live();
        assert!(!watcher.blind().iter().any(|(name, _)| *name == "block devices"), "{:?}", watcher.blind());
        let loops = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
        let device = loops.min().expect("a block device");
        fs::write(device.join("uevent"), "change").unwrap();
        wait_for(&changes, Change::Disk);
    }

    #[test]
    fn package_database_files_are_system_changes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for watched in ["var/lib/dpkg", "var/lib/rpm", "var/lib/apt/lists", "usr/lib", "etc", "run"] {
            fs::create_dir_all(at(watched)).unwrap();
        }
        let (_watcher, changes) = below(folder.path());
        let replace = |path: &str| {
            fs::write(at("new"), "new").unwrap();
            fs::rename(at("new"), at(path)).unwrap();
        };
        let causes: [&dyn Fn(); 6] = [
            &|| replace("var/lib/dpkg/status"),
            &|| fs::write(at("var/lib/rpm/rpmdb.sqlite"), "x").unwrap(),
            &|| replace("var/lib/apt/lists/security_Packages"),
            &|| fs::write(at("run/reboot-required"), "").unwrap(),
            &|| fs::remove_file(at("run/reboot-required")).unwrap(),
            &|| replace("usr/lib/os-release"),
        ];
        for (number, cause) in causes.iter().enumerate() {
            cause();
            let change = changes.recv_timeout(Duration::from_secs(20));
            assert_eq!(change, Ok(Change::Os), "{number}");
        }
    }

    #[test]
    fn another_session_in_front_is_a_change_of_the_seat() {
        let folder = tempfile::tempdir().unwrap();
        let seats = folder.path().join("run/systemd/seats");
        fs::create_dir_all(&seats).unwrap();
        let (_watcher, changes) = below(folder.path());
        for user in [1000, 1001] {
            fs::write(seats.join(".#seat0"), format!("ACTIVE_UID={user}\n")).unwrap();
            fs::rename(seats.join(".#seat0"), seats.join("seat0")).unwrap();
            assert_eq!(changes.recv_timeout(Duration::from_secs(20)), Ok(Change::Seat), "{user}");
        }
        fs::remove_file(seats.join("seat0")).unwrap();
        assert_eq!(changes.recv_timeout(Duration::from_secs(20)), Ok(Change::Seat));
    }

    #[test]
    fn readers_that_take_locks_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for watched in ["var/lib/dpkg", "var/lib/rpm", "var/lib/apt/lists", "run"] {
            fs::create_dir_all(at(watched)).unwrap();
        }
        fs::write(at("var/lib/dpkg/status"), "x").unwrap();
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).unwrap();
        let (sender, changes) = channel();
        let _watcher = watch(&Root::at(folder.path()), move || vec![pid], sender).unwrap();
        for touched in [
            "var/lib/dpkg/lock",
            "var/lib/dpkg/lock-frontend",
            "var/lib/rpm/.rpm.lock",
            "var/lib/rpm/rpmdb.sqlite-shm",
            "var/lib/apt/lists/lock",
            "run/utmp",
        ] {
            fs::write(at(touched), "x").unwrap();
        }
        drop(fs::OpenOptions::new().append(true).open(at("var/lib/dpkg/status")).unwrap());
        // A change of another kind, caused later, comes later.
        child.kill().unwrap();
        assert_eq!(count_until(&changes, Change::Os, Change::Edr), 0);
        child.wait().unwrap();
    }

    #[test]
    fn merges_a_burst_and_keeps_its_last_event() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("var/lib/dpkg/status");
        fs::create_dir_all(status.parent().unwrap()).unwrap();
        let (_watcher, changes) = below(folder.path());
        let begin = Instant::now();
        for number in 0..500 {
            fs::write(&status, number.to_string()).unwrap();
        }
        // One in each 200 ms that the writing took, and one or two that come after the last write.
        let most = begin.elapsed().as_millis() / 200 + 2;
        let mut seen = 0;
        while changes.recv_timeout(Duration::from_secs(if seen == 0 { 20 } else { 1 })).is_ok() {
            seen += 1;
        }
        assert!((1..=most).contains(&seen), "{seen} of at most {most}");
    }

    #[test]
    fn exit_of_a_product_process_is_an_edr_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = sleeper();
        let mut second = sleeper();
        let pid = |child: &Child| i32::try_from(child.id()).unwrap();
        let running = Arc::new(AtomicI32::new(pid(&first)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (sender, changes) = channel();
        let hook = {
            let (running, asked) = (running.clone(), asked.clone());
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                vec![running.load(Ordering::SeqCst), i32::MAX, 0, -1]
            }
        };
        let watcher = watch(&Root::at(folder.path()), hook, sender).unwrap();
        let until_asked = |times| {
            let deadline = Instant::now() + Duration::from_secs(20);
            while asked.load(Ordering::SeqCst) < times {
                assert!(Instant::now() < deadline, "asked again");
                std::thread::yield_now();
            }
        };
        // Not reaped: ended, but there until the test is through.
        first.kill().unwrap();
        wait_for(&changes, Change::Edr);
        running.store(pid(&second), Ordering::SeqCst);
        let before = asked.load(Ordering::SeqCst);
        watcher.refresh();
        until_asked(before + 1);
        second.kill().unwrap();
        wait_for(&changes, Change::Edr);
        // An exited process is reported once.
        watcher.refresh();
        assert_eq!(changes.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Timeout));
        first.wait().unwrap();
        second.wait().unwrap();
    }

    #[test]
    fn watcher_ends_when_dropped_or_without_receiver() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("var/lib/dpkg")).unwrap();
        let (watcher, changes) = below(folder.path());
        drop(watcher);
        assert_eq!(changes.recv_timeout(Duration::from_secs(20)), Err(RecvTimeoutError::Disconnected));

        // Its thread holds the hook; when the hook is gone, so is the thread.
        let held = Arc::new(());
        let (sender, changes) = channel();
        let hook = {
            let held = held.clone();
            move || {
                let _ = &held;
                Vec::new()
            }
        };
        let _watcher = watch(&Root::at(folder.path()), hook, sender).unwrap();
        drop(changes);
        fs::write(folder.path().join("var/lib/dpkg/status"), "x").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&held) > 1 {
            assert!(Instant::now() < deadline, "the thread has ended");
            std::thread::yield_now();
        }
    }

    #[test]
    fn watcher_is_silent_without_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (_watcher, changes) = below(folder.path());
        let switches = || {
            let mut tasks = fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
            let named = |task: &std::path::PathBuf| {
                fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm == "watch\n")
            };
            let status = fs::read_to_string(tasks.find(named)?.join("status")).unwrap();
            status.lines().find(|line| line.starts_with("voluntary")).map(str::to_owned)
        };
        // Once it sleeps, it is not woken: there comes a second in which it does not run at all.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let before = switches();
            assert_eq!(changes.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Timeout));
            if before.is_some() && switches() == before {
                break;
            }
            assert!(Instant::now() < deadline, "it sleeps");
        }
    }
}
