//! A user's environment: a display, a session bus and an empty home folder, all private to the test.

use crate::typist::HUMAN_PRIORITY;
use crate::{LIMIT, Process, Screen};
use anyhow::{Context, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use vitalsign_e2e::wait_for;

/// A bus on which nothing starts by itself.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Configuration of Openbox in which a click, and nothing else, gives a window the keyboard.
const KEEPS_FOCUS: &str = r#"<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>no</focusNew><followMouse>no</followMouse></focus>
  <mouse>
    <context name="Client">
      <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
    </context>
  </mouse>
</openbox_config>
"#;

/// Configuration of Xorg's driver without hardware: one monitor of 1280 × 900, and on its right one of 1920 × 1200.
const TWO_MONITORS: &str = r#"
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
EndSection
Section "Device"
  Identifier "dummy"
  Driver "dummy"
  VideoRam 65536
  Option "Monitor-DUMMY0" "left"
  Option "Monitor-DUMMY1" "right"
EndSection
Section "Monitor"
  Identifier "left"
  HorizSync 1-1000
  VertRefresh 1-1000
  Modeline "left" 100 1280 1281 1282 1283 900 901 902 903
  Option "PreferredMode" "left"
EndSection
Section "Monitor"
  Identifier "right"
  HorizSync 1-1000
  VertRefresh 1-1000
  Modeline "right" 100 1920 1921 1922 1923 1200 1201 1202 1203
  Option "PreferredMode" "right"
  Option "Enable" "true"
  Option "Position" "1280 0"
EndSection
Section "Screen"
  Identifier "screen"
  Device "dummy"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Virtual 3200 1200
  EndSubSection
EndSection
"#;

/// Window manager of a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Openbox as it comes: a new window gets the keyboard.
    FocusesNewWindows,
    /// Openbox, which leaves the keyboard where it is when a window opens.
    KeepsFocus,
    /// IceWM as it comes, another program with other rules.
    IceWm,
    /// None: each program does with its windows as it likes.
    None,
}

/// A person's desk. All of it goes with this.
#[derive(Debug)]
pub struct DesktopServices {
    _manager: Option<Process>,
    _bus: Process,
    server: Process,
    display: String,
    language: String,
    desktop: Option<&'static str>,
    folder: TempDir,
}

impl DesktopServices {
    /// A screen of 1280 × 900 with a window manager.
    ///
    /// # Errors
    /// When one of the programs is not there.
    pub fn new() -> Result<Self> {
        Self::under(Manager::FocusesNewWindows)
    }

    /// The same under another window manager.
    ///
    /// # Errors
    /// When one of the programs is not there.
    pub fn under(manager: Manager) -> Result<Self> {
        let mut server = Command::new("Xvfb");
        server.args(["-screen", "0", "1280x900x24"]);
        Self::on(server, manager)
    }

    /// The same with two monitors: of 1280 × 900, and on its right of 1920 × 1200.
    ///
    /// # Errors
    /// When one of the programs is not there, or this is not root.
    pub fn with_two_monitors() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vsx").tempdir()?;
        let configuration = folder.path().join("xorg.conf");
        std::fs::write(&configuration, TWO_MONITORS)?;
        let mut server = Command::new("/usr/lib/xorg/Xorg");
        server.arg("-config").arg(configuration).args(["-novtswitch", "-sharevts", "-logfile", "/dev/null"]);
        // It has read its configuration once it answers.
        Self::on(server, Manager::FocusesNewWindows)
    }

    fn on(mut server: Command, manager: Manager) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vsd").tempdir()?;
        for name in ["home", "run", "data", "config", "cache"] {
            std::fs::DirBuilder::new().mode(0o700).create(folder.path().join(name))?;
        }
        let log = |name: &str| std::fs::File::create(folder.path().join(name));

        server.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"]);
        let (server, number) = Process::start_until(server.stderr(log("X.log")?), "")?;
        let display = format!(":{}", number.trim());
        let id = rustix::process::Pid::from_raw(server.id().try_into()?);
        let _ = rustix::process::setpriority_process(id, HUMAN_PRIORITY);

        let configuration = folder.path().join("bus.conf");
        let socket = folder.path().join("bus");
        std::fs::write(&configuration, BUS.replace("SOCKET", socket.to_str().context("a path")?))?;
        let mut bus = Command::new("dbus-daemon");
        bus.arg(format!("--config-file={}", configuration.display())).args(["--nofork", "--print-address"]);
        let (bus, _) = Process::start_until(bus.stderr(log("bus.log")?), "unix:")?;

        let running = if manager == Manager::None {
            None
        } else {
            let program = if manager == Manager::IceWm { "icewm" } else { "openbox" };
            let mut command = Command::new(program);
            command.env("DISPLAY", &display).stdout(Stdio::null()).stderr(log("manager.log")?);
            command.env("HOME", folder.path().join("home"));
            if manager == Manager::KeepsFocus {
                let file = folder.path().join("openbox.xml");
                std::fs::write(&file, KEEPS_FOCUS)?;
                command.arg("--config-file").arg(file);
            }
            Some(Process::start(&mut command)?)
        };
        let language = "C.UTF-8".to_owned();
        let desk = Self { _manager: running, _bus: bus, server, display, language, desktop: None, folder };
        if manager != Manager::None {
            desk.screen()?.until_managed()?;
        }
        Ok(desk)
    }

    /// Sets another language, as in `LANGUAGE`.
    #[must_use]
    pub fn in_language(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    /// Names the desktop, as in `XDG_CURRENT_DESKTOP`.
    #[must_use]
    pub fn on_desktop(mut self, desktop: &'static str) -> Self {
        self.desktop = Some(desktop);
        self
    }

    /// The folder of it all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file for what a program says.
    pub fn log(&self, name: &str) -> Result<std::fs::File> {
        let path = self.log_path(name);
        Ok(std::fs::File::options().create(true).append(true).open(path)?)
    }

    #[must_use]
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.log"))
    }

    /// Connects to the display.
    ///
    /// # Errors
    /// The display cannot be reached.
    pub fn screen(&self) -> Result<Screen> {
        Screen::open(&self.display)
    }

    /// Name of the display, as in `DISPLAY`.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    pub fn lose_display(&mut self) {
        self.server.kill();
    }

    /// The address of its session bus.
    #[must_use]
    pub fn bus(&self) -> String {
        format!("unix:path={}", self.folder().join("bus").display())
    }

    /// Waits until a name that contains this is on the session bus.
    ///
    /// # Errors
    /// No such name appears in time.
    pub fn until_on_the_bus(&self, part: &str) -> Result<()> {
        let bus = zbus::blocking::connection::Builder::address(self.bus().as_str())?.build()?;
        let bus = zbus::blocking::fdo::DBusProxy::new(&bus)?;
        wait_for(&format!("{part} on the bus"), LIMIT, || {
            Ok(bus.list_names()?.iter().any(|name| name.contains(part)).then_some(()))
        })
    }

    /// A program that is started here: it knows nothing of the session that the test is run in.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for kept in ["PATH", "RUST_BACKTRACE", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        let folder = |name| self.folder().join(name);
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus())
            .env("GDK_BACKEND", "x11")
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", &self.language)
            // There is no bus for assistive programs here, and looking for one takes time.
            .env("NO_AT_BRIDGE", "1")
            .env("HOME", folder("home"))
            .env("XDG_RUNTIME_DIR", folder("run"))
            .env("XDG_DATA_HOME", folder("data"))
            .env("XDG_CONFIG_HOME", folder("config"))
            .env("XDG_CACHE_HOME", folder("cache"));
        command.envs(self.desktop.map(|desktop| ("XDG_CURRENT_DESKTOP", desktop)));
        command
    }
}
