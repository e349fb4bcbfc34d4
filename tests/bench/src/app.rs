//! Measures the shipped app on a private display: time until text is visible, and resources while idle. Reads
//! the display's memory, so that only visible pixels count.

use crate::service::{cpu_nanos, pss_mib};
use crate::stats;
use crate::step_up::{Application, USER, prompts, register};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vitalsign_client::ServiceClient;
use vitalsign_e2e::{Agent, Child, Testbed, wait_for};
use vitalsign_ipc::Request;
use vitalsign_protocol::step_up::StepUpResult;
use vitalsign_security_key::SecurityKeys;
use vitalsign_simulated_key::{Options, SimulatedKey, Tap, Transport};

const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
/// Time without changes after which a picture counts as final. A page that appears later counts as slow.
const SETTLED: Duration = Duration::from_millis(1500);
/// Duration of the idle measurement.
const IDLE: Duration = Duration::from_secs(20);
/// Sampled pixels that are neither the display's ground nor the window's: fewer are a frame, or a pointer.
const WORDS: usize = 100;

/// Medians, in milliseconds; memory in MiB.
pub(crate) struct App {
    /// From the start of the program to words in its window, and to its page.
    pub(crate) first_words_ms: f64,
    pub(crate) first_page_ms: f64,
    /// From the service's word that a step-up waits for its tap, with no window and no web view there.
    pub(crate) prompt_words_ms: f64,
    /// The same from the application's request.
    pub(crate) request_words_ms: f64,
    pub(crate) prompt_page_ms: f64,
    /// With all its processes, after it had windows.
    pub(crate) idle_pss_mib: f64,
    pub(crate) idle_cpu_percent: f64,
}

/// Starts the app, requests taps that are not given, and measures it while idle.
pub(crate) fn measure(agent: &Path, verifier: &Path, app: &Path) -> Result<App> {
    let testbed = Testbed::with_programs(agent, verifier)?;
    let (agent, _service, _) = testbed.enrolled("device")?;
    testbed.add_user(USER)?;
    let key = Options { tap: Tap::Auto, ..Options::new(Transport::Usb, &testbed.maker) };
    let key = SimulatedKey::start(key)?;
    register(&testbed, &agent, &SecurityKeys::reaching(Some(key.usb_address()), false)?)?;
    let application = Application::of(&testbed)?;
    let mut prompts = prompts(&agent)?;
    let mut display = Display::start()?;

    let (mut words, mut page) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let running = display.run(app, &agent, &[])?;
        let seen = display.watch(begun)?;
        words.push(seen.words);
        page.push(seen.page);
        drop(running);
        display.wait_until_empty()?;
    }
    let (first_words_ms, first_page_ms) = (stats::median(words), stats::median(page));

    let running = display.run(app, &agent, &["--background"])?;
    let id = running.id();
    at_rest(id)?;
    let (mut words, mut page, mut from_request) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        application.ask(&format!("EHR: sign order {round}"))?;
        let (step_up, at) = prompts.next_prompt()?;
        let seen = display.watch(at)?;
        from_request.push(at.duration_since(begun) + seen.words);
        words.push(seen.words);
        page.push(seen.page);
        let mut service = ServiceClient::connect(&agent.socket())?;
        service.ask(Request::GiveUp { step_up, end: StepUpResult::Declined })?;
        display.wait_until_empty()?;
        // Each one finds it with nothing left of the last.
        wait_for("the app to give back what the page took", PATIENCE, || {
            Ok((family(id)?.len() == 1).then_some(()))
        })?;
        at_rest(id)?;
    }

    let (start, cpu) = (Instant::now(), cpu_nanos(id)?);
    wait_for("the idle time to pass", IDLE * 3, || Ok((start.elapsed() >= IDLE).then_some(())))?;
    let passed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let used = cpu_nanos(id)? - cpu;
    let pss: Result<Vec<f64>> = family(id)?.into_iter().map(pss_mib).collect();
    Ok(App {
        first_words_ms,
        first_page_ms,
        prompt_words_ms: stats::median(words),
        request_words_ms: stats::median(from_request),
        prompt_page_ms: stats::median(page),
        idle_pss_mib: pss?.iter().sum(),
        idle_cpu_percent: 100.0 * stats::float(used) / stats::float(passed),
    })
}

/// Returns the transfer size of the app's pages in kB, as a browser would receive them.
pub(crate) fn pages_kb(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let packed = Command::new("gzip").args(["-9", "-c"]).arg(&path).output().context("gzip")?;
                ensure!(packed.status.success(), "gzip: {}", String::from_utf8_lossy(&packed.stderr));
                bytes += packed.stdout.len();
            }
        }
    }
    ensure!(bytes > 0, "there are no pages in {}", folder.display());
    Ok(stats::float(u64::try_from(bytes)?) / 1e3)
}

/// A process and those that it has started.
fn family(id: u32) -> Result<Vec<u32>> {
    let mut family = vec![id];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        at += 1;
        for thread in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Ok(family)
}

/// Waits until it does nothing.
fn at_rest(id: u32) -> Result<()> {
    let (mut before, mut since) = (cpu_nanos(id)?, Instant::now());
    wait_for("the app to come to rest", PATIENCE, || {
        let now = cpu_nanos(id)?;
        if now != before {
            (before, since) = (now, Instant::now());
        }
        Ok((since.elapsed() > Duration::from_secs(1)).then_some(()))
    })
}

/// A display and a session bus.
struct Display {
    name: String,
    bus: String,
    memory: File,
    folder: TempDir,
    _running: [Child; 2],
}

/// Time until text was visible, and until the final picture.
struct Seen {
    words: Duration,
    page: Duration,
}

impl Display {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut server = Command::new("Xvfb");
        server
            .args(["-displayfd", "1", "-screen", "0", "800x800x24", "-nolisten", "tcp", "-noreset", "-fbdir"])
            .arg(folder.path())
            .stderr(Stdio::null());
        let (server, number) = Child::start_until(&mut server, "")?;
        let mut daemon = Command::new("dbus-daemon");
        daemon
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address=unix:path={}", folder.path().join("bus").display()))
            .stderr(Stdio::null());
        let (daemon, address) = Child::start_until(&mut daemon, "")?;
        let (name, bus) = (format!(":{}", number.concat().trim()), address.concat().trim().to_owned());
        let memory = File::open(folder.path().join("Xvfb_screen0")).context("the display's memory")?;
        Ok(Self { name, bus, memory, folder, _running: [server, daemon] })
    }

    fn run(&self, app: &Path, agent: &Agent, arguments: &[&str]) -> Result<Child> {
        let log = File::create(self.folder.path().join("app.log"))?;
        let mut command = Command::new(app);
        command
            .arg("--socket")
            .arg(agent.socket())
            .args(arguments)
            .env("DISPLAY", &self.name)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("GDK_BACKEND", "x11")
            .stderr(log);
        Child::start(&mut command)
    }

    /// The sampled pixels of the display.
    fn pixels(&mut self) -> Result<Vec<[u8; 3]>> {
        self.memory.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        self.memory.read_to_end(&mut bytes)?;
        // An X window dump: its header says how long it is itself, and how many colours follow it, 12 bytes each.
        let word = |at: usize| -> Result<usize> {
            let word = bytes.get(at * 4..).and_then(|rest| rest.first_chunk::<4>()).context("no picture")?;
            Ok(usize::try_from(u32::from_be_bytes(*word))?)
        };
        let picture = bytes.get(word(0)? + word(19)? * 12..).context("no picture")?;
        let sampled = picture.chunks_exact(4).step_by(7);
        Ok(sampled.filter_map(|pixel| pixel.first_chunk::<3>().copied()).collect())
    }

    /// Counts sampled pixels that have neither the display's nor the window's background colour.
    fn ink(&mut self) -> Result<usize> {
        let pixels = self.pixels()?;
        let drawn: Vec<[u8; 3]> = pixels.into_iter().filter(|pixel| *pixel != [0; 3]).collect();
        // The window's ground is the colour of most of it.
        let mut ground = ([0; 3], 0_usize);
        for pixel in &drawn {
            match ground {
                (_, 0) => ground = (*pixel, 1),
                (colour, votes) if colour == *pixel => ground.1 = votes + 1,
                (_, votes) => ground.1 = votes - 1,
            }
        }
        Ok(drawn.into_iter().filter(|pixel| *pixel != ground.0).count())
    }

    /// Looks at the display until nothing more is drawn on it.
    fn watch(&mut self, since: Instant) -> Result<Seen> {
        let mut steps: Vec<(Duration, usize)> = Vec::new();
        loop {
            let ink = self.ink()?;
            let at = since.elapsed();
            let (last, before) = steps.last().copied().unwrap_or_default();
            // A clock that ticks changes some of it.
            let same = ink.abs_diff(before) * 10 <= before;
            if !same || steps.is_empty() {
                steps.push((at, ink));
            } else if before >= WORDS && at > last + SETTLED {
                break;
            }
            if at > PATIENCE {
                bail!("nothing can be read in the window: {steps:?}");
            }
        }
        let words = steps.iter().find(|(_, ink)| *ink >= WORDS).context("no words")?.0;
        let page = steps.last().context("no page")?.0;
        Ok(Seen { words, page })
    }

    fn wait_until_empty(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.pixels()?.iter().any(|pixel| *pixel != [0; 3]) {
            ensure!(Instant::now() < end, "the window stays");
        }
        Ok(())
    }
}

/// Returns the folder of the app's pages.
pub(crate) fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist")
}
