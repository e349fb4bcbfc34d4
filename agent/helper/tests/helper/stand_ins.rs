//! Starts the helper as a service manager would, where the programs that it runs are scripts.

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const REASON: &str = "root in a system where `unshare --mount` and overlay file systems work";
/// The account that the helper serves, beside root.
const ACCOUNT: &str = "daemon";

/// `/opt` and `/usr/bin` of the helper show the stand-ins, in a mount namespace of each helper.
const MOUNTS: &str = "
    mount --bind $TREE/opt /opt
    mount -t overlay overlay -o lowerdir=$TREE/usr/bin:/usr/bin /usr/bin
";

/// Starts a helper for each connection.
pub(crate) struct Helper {
    tree: tempfile::TempDir,
    started: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Helper {
    /// Paths below the tree, with what each script does. `$TREE` is the tree.
    pub(crate) fn with(programs: &[(&str, &str)]) -> Self {
        Self::new(programs, None)
    }

    /// A helper in a new network namespace, in which this script has run.
    pub(crate) fn in_network(script: &'static str) -> Self {
        Self::new(&[], Some(script))
    }

    fn new(programs: &[(&str, &str)], network: Option<&'static str>) -> Self {
        let tree = tempfile::tempdir().unwrap();
        std::fs::set_permissions(tree.path(), Permissions::from_mode(0o755)).unwrap();
        for folder in ["opt", "usr/bin"] {
            std::fs::create_dir_all(tree.path().join(folder)).unwrap();
        }
        for (path, script) in programs {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let script = format!("#!/bin/sh\n{}\n", script.replace("$TREE", tree.path().to_str().unwrap()));
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let socket = tree.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        // The helper itself has to refuse other users.
        std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
        let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let accepting = {
            let (started, ended, tree) = (started.clone(), ended.clone(), tree.path().to_owned());
            std::thread::spawn(move || {
                let mut helpers = Vec::new();
                for stream in listener.incoming().map(Result::unwrap) {
                    if ended.load(Ordering::SeqCst) {
                        break;
                    }
                    started.fetch_add(1, Ordering::SeqCst);
                    helpers.push(start(stream, &tree, network));
                }
                for mut helper in helpers {
                    helper.wait().unwrap();
                }
            })
        };
        Self { tree, started, ended, accepting: Some(accepting) }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// Number of helpers that were started.
    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.socket()).and_then(|stream| stream.shutdown(Shutdown::Both));
        let ended = self.accepting.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "{REASON}");
    }
}

fn start(stream: UnixStream, tree: &Path, network: Option<&str>) -> std::process::Child {
    let before = network.unwrap_or_default();
    let script = format!("set -e; exec 3<&0 </dev/null; {MOUNTS} {before}\nexec \"$0\" \"$@\" <&3 3<&-");
    let mut command = Command::new("unshare");
    command.args(network.map(|_| "--net"));
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    command.args([env!("CARGO_BIN_EXE_vitalsign-helper"), ACCOUNT]).args(network.map(|_| "network"));
    // None of these may reach the program that the helper runs.
    command.env("TREE", tree).env("HOME", "/root").env("PYTHONPATH", "/tmp").env("LC_ALL", "de_DE.UTF-8");
    command.stdin(Stdio::from(OwnedFd::from(stream))).stdout(Stdio::null()).spawn().expect(REASON)
}

/// Runs `f` in a thread of another user.
pub(crate) fn as_user<T: Send>(uid: u32, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let uid = Uid::from_raw(uid);
            set_thread_res_uid(uid, uid, uid).expect(REASON);
            f()
        });
        thread.join().unwrap()
    })
}

/// Waits until a process has ended.
pub(crate) fn wait_until_gone(pid: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if stat.contains(") Z ") => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            // The process ended while its file was read.
            Err(error) if error.raw_os_error() == Some(3) => return,
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < until, "process {pid} outlived its program's deadline");
        std::thread::yield_now();
    }
}
