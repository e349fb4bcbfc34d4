//! A machine and another outside, each a network namespace, and real connections between them.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const INSIDE: &str = "10.9.9.1";
/// Seconds after which a packet counts as dropped, and in which every connection is made.
const WAIT: u8 = 1;
const PATIENCE: u8 = 60;

/// Process that ends with its value.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Namespace(Running);

impl Namespace {
    pub(crate) fn new() -> Self {
        let new =
            Self(Running(Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap()));
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        while of(&new.process()) == of("self") {
            std::thread::yield_now();
        }
        new
    }

    fn process(&self) -> String {
        self.0.0.id().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.process(), program]);
        command
    }

    /// Runs a script, and returns its output.
    pub(crate) fn run(&self, script: &str) -> Vec<u8> {
        let output = self.command("bash").args(["-ec", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Lays a line from the card, which is a bridge, to another namespace.
    pub(crate) fn connect_to(&self, outside: &Self) {
        self.run(&format!(
            "card=$(ip -o link show type bridge | cut -d: -f2 | head -n1)
             ip link set $card type bridge forward_delay 0
             ip link add near type veth peer name far netns {}
             ip link set near master $card; ip link set near up; ip link set $card up
             ip addr add {INSIDE}/24 dev $card",
            outside.process()
        ));
        outside.run("ip link set far up; ip addr add 10.9.9.2/24 dev far");
    }

    /// Listens at TCP ports.
    pub(crate) fn listen(&self, ports: &[u16]) -> Running {
        let program = "import socket, sys
sockets = [socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]]
print(flush=True)
sys.stdin.read()";
        let mut command = self.command("python3");
        command.args(["-c", program, INSIDE]).args(ports.iter().map(u16::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ready = BufReader::new(child.stdout.take().unwrap()).lines().next();
        assert!(ready.is_some_and(|line| line.is_ok()), "nothing listens");
        Running(child)
    }

    /// Returns whether a connection to a port of the machine is accepted. One that should be has much time.
    pub(crate) fn connects(&self, port: u16, expected: bool) -> bool {
        let seconds = if expected { PATIENCE } else { WAIT };
        let connect = format!("exec 3<>/dev/tcp/{INSIDE}/{port}");
        let mut command = self.command("timeout");
        command.args([&seconds.to_string(), "bash", "-c", &connect]).stderr(Stdio::null());
        command.status().unwrap().success()
    }
}

/// Returns whether the facts say that a TCP port accepts connections; `None` if they do not tell.
pub(crate) fn is_open(facts: &Value, port: u16) -> Option<bool> {
    let firewall = facts.pointer("/posture/firewall")?;
    firewall.pointer("/inbound_blocked/known")?;
    let open = firewall.pointer("/open_tcp/known")?.as_array()?;
    Some(open.iter().any(|range| {
        let bound = |name: &str| range[name].as_u64().unwrap();
        (bound("first")..=bound("last")).contains(&u64::from(port))
    }))
}
