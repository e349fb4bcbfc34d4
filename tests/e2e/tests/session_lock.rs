//! The screen lock of the session in front, which the service cannot read: told by the session program of a real user,
//! with the settings of that user. Needs root.

use anyhow::{Context, Result, ensure};
use rustix::process::Uid;
use rustix::thread::set_thread_uid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use vitalsign_client::ServiceClient;
use vitalsign_e2e::{Agent, Child, Seats, Testbed};
use vitalsign_ipc::{Answer, Refusal, Request, SessionLock, Status};
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_simulated_key::process::program;

/// An unprivileged user ID that no account uses.
const NURSE: u32 = 64_803;
/// The unprivileged user of every system: dconf's message bus requires an account.
const OTHER: u32 = 65_534;
/// Makes the machine one on which a person can start Plasma and GNOME Flashback.
const DESKTOPS: &str = "mount -t tmpfs tmpfs /usr/share/xsessions && \
                        for name in plasma gnome-flashback; do \
                        echo '[Desktop Entry]' >/usr/share/xsessions/$name.desktop; done";

/// A user with settings.
struct User {
    uid: u32,
    /// `KDE`, whose settings are a file, or `GNOME-Flashback:GNOME`, whose settings dconf keeps.
    desktop: &'static str,
    settings: PathBuf,
}

impl User {
    fn new(testbed: &Testbed, uid: u32, desktop: &'static str, minutes: u32) -> Result<Self> {
        let settings = testbed.folder().join(format!("settings-{uid}"));
        fs::create_dir_all(&settings)?;
        chown(&settings, Some(uid), Some(uid))?;
        let user = Self { uid, desktop, settings };
        user.lock_after(minutes)?;
        Ok(user)
    }

    /// Changes the settings as the desktop does.
    fn lock_after(&self, minutes: u32) -> Result<()> {
        if self.desktop != "KDE" {
            let seconds = format!("uint32 {}", minutes * 60);
            let mut dconf = self.command();
            dconf.args(["dbus-run-session", "dconf", "write", "/org/gnome/desktop/session/idle-delay"]);
            ensure!(dconf.arg(seconds).status()?.success(), "dconf");
            return Ok(());
        }
        let new = self.settings.join("kscreenlockerrc.new");
        fs::write(&new, format!("[Daemon]\nAutolock=true\nTimeout={minutes}\nLockGrace=0\n"))?;
        Ok(fs::rename(new, self.settings.join("kscreenlockerrc"))?)
    }

    /// A command that runs as this user, with this user's settings.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--clear-groups", "--reset-env"]);
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.uid));
        command.arg("env").arg(format!("XDG_CURRENT_DESKTOP={}", self.desktop));
        command.arg(format!("XDG_CONFIG_HOME={}", self.settings.display()));
        command
    }

    /// Starts the user's session program on the machine of this service.
    fn session(&self, testbed: &Testbed, agent: &Agent, service: &Child) -> Result<Session> {
        // The user need not be able to read the folder of the build.
        let copy = testbed.folder().join("vitalsign-session");
        if !copy.exists() {
            fs::copy(program("vitalsign-session")?, &copy)?;
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", service.id()));
        let user = self.command();
        command.arg(user.get_program()).args(user.get_args());
        command.arg(copy).args(["step-up", "listen", "--json", "--socket"]).arg(agent.socket());
        let (child, input, _) = Child::start_talking(&mut command)?;
        Ok(Session { _program: child, _input: input })
    }

    /// Connects as this user without a session program, and claims a screen lock.
    fn claim(&self, agent: &Agent, lock: SessionLock) -> Result<Answer> {
        let (socket, uid) = (agent.socket(), self.uid);
        let asked = std::thread::spawn(move || -> Result<Answer> {
            set_thread_uid(Uid::from_raw(uid))?;
            Ok(ServiceClient::connect(&socket)?.ask(Request::SessionLock(lock))?)
        });
        asked.join().ok().context("the thread ended")?
    }
}

/// A session program that runs.
struct Session {
    _program: Child,
    _input: ChildStdin,
}

fn idle(status: &Status) -> Option<Fact<u64>> {
    Some(status.posture.as_ref()?.lock.idle_seconds.clone())
}

fn until_idle(agent: &Agent, what: &str, seconds: u64) -> Result<Status> {
    agent.until(what, |status| idle(status) == Some(Fact::Known(seconds)))
}

/// Reports now, and returns what the screen lock is then.
fn reported(agent: &Agent) -> Result<Option<Fact<u64>>> {
    let output = agent.run(&["report"])?;
    ensure!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    Ok(idle(&agent.until("the report", |_| true)?))
}

#[test]
fn tells_the_lock_of_the_session_in_front_only() -> Result<()> {
    const OPEN: Option<Fact<u64>> = Some(Fact::Unreadable(Reason::NoSession));
    let testbed = Testbed::with_simulated_tpm()?;
    fs::set_permissions(testbed.folder(), Permissions::from_mode(0o755))?;
    let (agent, mut service, _) = testbed.enrolled("device")?;
    service.kill();
    let seats = Seats::below(testbed.folder())?;
    seats.put(Some(NURSE))?;
    let service = seats.service_after(&agent, DESKTOPS)?;
    agent.until("nothing to be enforced", |status| idle(status) == OPEN)?;

    let (nurse, other) =
        (User::new(&testbed, NURSE, "KDE", 10)?, User::new(&testbed, OTHER, "GNOME-Flashback:GNOME", 2)?);
    let strict = SessionLock {
        automatic: Fact::Known(true),
        idle_seconds: Fact::Known(1),
        grace_seconds: Fact::Known(0),
    };
    let root = User { uid: 0, desktop: "KDE", settings: PathBuf::new() };
    for background in [&other, &root] {
        let answer = background.claim(&agent, strict.clone())?;
        ensure!(answer == Answer::Refused(Refusal::NotAllowed), "uid {}: {answer:?}", background.uid);
    }
    ensure!(reported(&agent)? == OPEN);

    // Each is noticed long before the heartbeat.
    let nurses = nurse.session(&testbed, &agent, &service)?;
    let seen = until_idle(&agent, "the nurse's settings", 600)?;
    ensure!(seen.next_report_seconds > 60, "the heartbeat is too near: {}", seen.next_report_seconds);
    nurse.lock_after(30)?;
    until_idle(&agent, "a change of the nurse's settings", 1800)?;

    let others = other.session(&testbed, &agent, &service)?;
    seats.put(Some(OTHER))?;
    until_idle(&agent, "the other's settings", 120)?;
    ensure!(nurse.claim(&agent, strict)? == Answer::Refused(Refusal::NotAllowed), "in the background");
    ensure!(reported(&agent)? == Some(Fact::Known(120)));

    other.lock_after(3)?;
    until_idle(&agent, "a change of the other's settings", 180)?;

    seats.put(None)?;
    ensure!(reported(&agent)? == OPEN, "no session is in front");
    seats.put(Some(NURSE))?;
    until_idle(&agent, "the nurse's settings again", 1800)?;

    drop((nurses, others));
    agent.until("the end of the session program", |_| reported(&agent).is_ok_and(|idle| idle == OPEN))?;
    Ok(())
}
