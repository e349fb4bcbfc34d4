//! Network namespaces to write packet filters in.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

const REASON: &str = "root in a system where `unshare -n`, `nft`, `ip` and `iptables` work";

/// A network namespace, held open by a process that waits for its standard input to end.
pub(super) struct Namespace(Child);

impl Namespace {
    pub(super) fn new() -> Self {
        let mut holder = Command::new("unshare");
        let holder = holder.args(["-n", "sh", "-c", "echo ready; read end"]);
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(REASON);
        let mut ready = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "{REASON}");
        Self(holder)
    }

    /// Id of the process that holds it.
    pub(super) fn process(&self) -> u32 {
        self.0.id()
    }

    /// Runs something in a thread that lives in the namespace, as do the threads and processes it starts.
    pub(super) fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.process())).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect(REASON);
                f()
            });
            thread.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs a script, which has to succeed.
pub(super) fn shell(script: &str) {
    let mut shell = Command::new("sh").args(["-e"]).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "{REASON}\n{script}");
}
