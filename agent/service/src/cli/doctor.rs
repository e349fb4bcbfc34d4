//! `vitalsign doctor`: why something does not work. One line for each thing that has to work, and what to do.

use super::{Output, PathArgs, check, say, say_json, wall};
use crate::config::{Config, ConfigError, ConfigLayer, digest_of, is_used};
use crate::organisation;
use crate::render::style::Paint;
use crate::render::table::{Cell, rows};
use crate::render::verdict::Advisor;
use crate::render::{Style, plain, standing, when};
use crate::verifier::{Reached, VerifierClient};
use std::io::ErrorKind;
use vitalsign_agent_core::{Agent, RequestError, Saved};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::{ClientError, ServiceClient};
use vitalsign_ipc::{AgentState, Answer, Diagnostic, Request, Status};
use vitalsign_platform_api::KeyError;
use vitalsign_protocol::fact::{Fact, Reason};
use vitalsign_protocol::message::EnrolmentKeys;
use vitalsign_protocol::organisation::Support;
use vitalsign_protocol::posture::Os;

/// Maximum clock difference, in seconds, that is not reported.
const SKEW_SECONDS: u64 = 120;

pub(crate) fn run(place: &PathArgs, output: Output) -> anyhow::Result<ExitStatus> {
    let all = match place.load(ConfigLayer::default()) {
        Ok(config) => examine(&config),
        Err(error) => {
            vec![problem("settings", error.to_string(), "Fix the configuration file named above.")]
        }
    };
    let well = all.iter().all(|finding| finding.ok);
    if output.json {
        say_json(&all)?;
    } else {
        say(&page(&all, Style::of_stdout()));
    }
    Ok(if well { ExitStatus::Success } else { ExitStatus::Rejected })
}

/// Everything. What the service sees itself counts more than what this process sees.
fn examine(config: &Config) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let remedy = "Fix the file. Until then, people see the product's texts.";
    all.extend(config.managed.problems.iter().map(|it| problem("organisation", it.clone(), remedy)));
    match ServiceClient::connect(&config.socket).and_then(|mut service| {
        let status = service.ask(Request::Status)?;
        Ok((service.ask(Request::Diagnostics)?, status))
    }) {
        Ok((findings, status)) => {
            all.push(ok("service", "runs and answers"));
            match findings {
                Answer::Diagnostics(findings) => all.extend(findings),
                _ => all.push(ok(
                    "service's own view",
                    "shown to administrators only: run this as root to see it",
                )),
            }
            if let Answer::Status(status) = status {
                all.insert(0, settings(config, status.settings.refused.as_deref()));
                all.extend(help(&status.guidance.support));
                all.extend(standing_of(&status));
                all.extend(needless_token(config, &status));
                all.extend(unusable_token(config, &status));
                all.extend(channel(&status));
            }
        }
        Err(error) => {
            let remedy = match error {
                ClientError::NotRunning(_) => {
                    "Start it: systemctl start vitalsign; then see: journalctl -u vitalsign"
                }
                ClientError::Protocol(_) => {
                    "Restart the service, so that it and this program are of one version."
                }
                ClientError::Foreign(..) => "Find out which program has taken the service's place.",
                _ => "See the service's log: journalctl -u vitalsign",
            };
            all.insert(0, settings(config, config.managed.refused.as_deref()));
            all.push(problem("service", error.to_string(), remedy));
            let served = organisation::kept(&config.state);
            let agent =
                Agent::new(Saved::default()).with_organisation(config.managed.organisation.clone(), served);
            all.extend(help(&agent.status(crate::clock::now()).guidance.support));
            all.extend(findings(config));
            all.extend(key(config));
        }
    }
    all.push(session_program());
    all.extend(updates(&check::probe(config).0.os));
    all
}

/// The managed settings. The service's view counts, because other users need not be able to read the files.
fn settings(config: &Config, refused: Option<&str>) -> Diagnostic {
    let file = config.managed.verifier_file();
    let managed = file.map_or(String::new(), |file| format!("; {} sets the verifier", file.display()));
    match refused {
        None => ok("settings", &format!("understood{managed}")),
        Some(why) => problem(
            "settings",
            standing::refused(why),
            "Fix the file, or deliver it again; `vitalsign config` shows the settings in force.",
        ),
    }
}

/// An enrolment token that every user of the device can read.
fn open_token(config: &Config) -> Option<Diagnostic> {
    let file = &config.managed.token_origin()?.path;
    vitalsign_os::is_readable_by_all(file).then(|| {
        problem(
            "enrolment token",
            format!("{} holds one, and every user can read it", file.display()),
            "Close the file: chown root:vitalsign and chmod 640. If others could use the token, revoke it.",
        )
    })
}

/// A token file that prevents enrolment. The service has nothing but the log to say so.
fn unusable_token(config: &Config, status: &Status) -> Option<Diagnostic> {
    // A pipe would be emptied, or never answer.
    let are_files =
        config.token_files.iter().all(|file| file.metadata().map_or(true, |found| found.is_file()));
    if status.standing != AgentState::NotEnrolled || !are_files {
        return None;
    }
    let remedy = "Write the token that the verifier printed to this file, and nothing else.";
    match config.token() {
        // Other users need not be able to read it.
        Err(ConfigError::Read { error, .. }) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => Some(problem("enrolment token", error.to_string(), remedy)),
        Ok(_) => None,
    }
}

/// A managed token that this device has used: it is not tried again, also if the device must enrol again.
fn used_token(config: &Config) -> Option<Diagnostic> {
    let file = config.managed.token_origin()?.path.display().to_string();
    is_used(&config.state, &digest_of(config.configured_token()?)).then(|| {
        ok(
            "enrolment token",
            &format!("this device has used the one in {file}; to enrol again, it needs another"),
        )
    })
}

/// Ways to reach IT, in words.
fn help(support: &Support) -> Option<Diagnostic> {
    standing::support(support).map(|way| ok("help", &way))
}

/// An enrolment token that the service could not remove.
fn needless_token(config: &Config, status: &Status) -> Option<Diagnostic> {
    let file = config.token_files.iter().find(|file| file.is_file())?;
    let remedy =
        "Delete it, and have tokens delivered to the state folder, where the service can remove them.";
    (status.standing == AgentState::Reporting).then(|| {
        problem(
            "enrolment token",
            format!("{} holds one, and this device is enrolled", file.display()),
            remedy,
        )
    })
}

/// Runs the diagnostics: in the service when it is asked, otherwise in this program.
pub(crate) fn findings(config: &Config) -> Vec<Diagnostic> {
    let mut all = vec![state(config)];
    all.extend(verifier(config));
    all.extend(open_token(config));
    all.extend(used_token(config));
    all
}

fn state(config: &Config) -> Diagnostic {
    let folder = &config.state;
    let trial = folder.join("doctor.new");
    let written = vitalsign_os::create_private(&trial).map(drop);
    let _ = std::fs::remove_file(&trial);
    let place = folder.display();
    match (written, vitalsign_os::is_private(folder)) {
        (Err(error), _) => {
            let remedy = match error.kind() {
                ErrorKind::NotFound => {
                    "It is made when the service first starts, or when this device enrols."
                }
                ErrorKind::PermissionDenied => "Run this as root, or give the folder to the service's user.",
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on the disk.",
                ErrorKind::ReadOnlyFilesystem => "Mount the file system so that it can be written to.",
                _ => "See whether the disk is in order.",
            };
            problem("state folder", format!("{place} cannot be written to: {error}"), remedy)
        }
        (Ok(()), Ok(false)) => {
            problem("state folder", format!("{place} is open to other users"), "Close it: chmod 700")
        }
        (Ok(()), _) => ok("state folder", &format!("{place} can be written to")),
    }
}

fn verifier(config: &Config) -> Vec<Diagnostic> {
    let Some(settings) = &config.verifier else {
        let remedy = "Set verifier and ca-file in /etc/vitalsign/agent.toml, or run `vitalsign enrol`.";
        return vec![problem("verifier", "none is set".to_owned(), remedy)];
    };
    let looked = VerifierClient::new(settings).map_err(|error| error.to_string()).and_then(|verifier| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(|error| error.to_string())?.block_on(verifier.look()))
    });
    match looked {
        Err(why) => {
            vec![problem("verifier", why, "Fix ca-file: it must contain the certificates to trust, as PEM.")]
        }
        Ok(Err(RequestError::Untrusted(why))) => {
            let remedy = "Check this device's clock, then ca-file; if both are right, another server answers at this address.";
            vec![problem("verifier", why, remedy)]
        }
        Ok(Err(RequestError::Unreachable(why))) => {
            let remedy = "Check the network, the address in `verifier`, and whether the verifier runs.";
            vec![problem("verifier", why, remedy)]
        }
        Ok(Err(other)) => vec![problem("verifier", format!("{other:?}"), "Check the address in `verifier`.")],
        Ok(Ok(reached)) => {
            vec![ok("verifier", &format!("{} is reached and trusted", settings.url)), clock(reached)]
        }
    }
}

fn clock(reached: Reached) -> Diagnostic {
    let Some(theirs) = reached.clock else { return ok("clock", "the verifier does not tell its time") };
    let (skew, ours) = (wall().abs_diff(theirs), wall());
    if skew <= SKEW_SECONDS {
        return ok("clock", "agrees with the verifier's");
    }
    let way = if ours > theirs { "ahead of" } else { "behind" };
    let seen = format!("{} {way} the verifier's", when::span(skew));
    problem(
        "clock",
        seen,
        "Set the clock: timedatectl set-ntp true. Reports work all the same, certificates may not.",
    )
}

/// Opens the report key, which only the service's owner may do. Creates a missing key, as the service would.
fn key(config: &Config) -> Vec<Diagnostic> {
    let subject = "device key";
    let mut key = match vitalsign_host::device_key(&config.key, &config.state) {
        Ok(key) => key,
        Err(error) => {
            let remedy = match &error {
                KeyError::Unavailable(_) => {
                    "Turn on the TPM in the firmware's settings; without a TPM, use --key software, if policy allows."
                }
                KeyError::Denied(_) => "Run this as root; the service's user has to be in the group `tss`.",
                KeyError::Lost(_) => "The TPM was cleared or replaced: enrol again with a new token.",
                KeyError::LockedOut(_) => "Wait: the TPM opens again by itself. Do not clear it.",
                KeyError::Unsupported(_) | KeyError::Hardware(_) => {
                    "Update the firmware; or see the maker's support."
                }
            };
            return vec![problem(subject, error.to_string(), remedy)];
        }
    };
    let facts = key.facts();
    let model = [&facts.manufacturer, &facts.model, &facts.firmware];
    let model: Vec<_> = model.iter().filter_map(|fact| fact.known()).map(|text| text.trim()).collect();
    let mut all = vec![ok(subject, &format!("{} opens ({})", key.storage(), model.join(" ")))];
    match key.enrolment_keys() {
        Ok(EnrolmentKeys::Tpm { ek_certificates, .. }) if ek_certificates.is_empty() => all.push(problem(
            "TPM certificate",
            "the TPM holds no certificate from its maker".to_owned(),
            "A firmware update may bring it; without it the verifier cannot tell that the TPM is real.",
        )),
        Ok(EnrolmentKeys::Tpm { ek_certificates, .. }) => {
            let count =
                when::counted(u64::try_from(ek_certificates.len()).unwrap_or_default(), "certificate");
            all.push(ok("TPM certificate", &format!("{count} from its maker")));
        }
        Ok(EnrolmentKeys::Software { .. }) => {}
        Err(error) => all.push(problem("TPM certificate", error.to_string(), "See the line above.")),
    }
    all
}

fn standing_of(status: &Status) -> Option<Diagnostic> {
    let it = plain(&status.guidance.support.it());
    let (subject, remedy) = match &status.standing {
        AgentState::Starting | AgentState::Enrolling | AgentState::Reporting => {
            return Some(ok("enrolment", "in order"));
        }
        AgentState::NotEnrolled => ("enrolment", "Enrol: vitalsign enrol --token-file FILE".to_owned()),
        AgentState::Offline { .. } => {
            ("reports", "They go on by themselves as soon as the verifier is reached.".to_owned())
        }
        AgentState::Revoked => ("enrolment", format!("Contact {it}: an administrator revoked this device.")),
        AgentState::Refused { .. } => {
            ("enrolment", format!("Contact {it} about the reason above; then enrol again."))
        }
        AgentState::KeyTrouble { .. } => {
            ("device key", "See whether the TPM is on, and this line's reason.".to_owned())
        }
    };
    let advisor = Advisor { guidance: status.guidance.clone(), ..Advisor::default() };
    let seen = match &status.standing {
        AgentState::KeyTrouble { detail } | AgentState::Offline { detail, .. } => detail.clone(),
        _ => standing::sentence(status, &advisor, wall()),
    };
    Some(problem(subject, seen, &remedy))
}

/// Checks that step-ups can arrive; skipped while reports fail.
fn channel(status: &Status) -> Option<Diagnostic> {
    let subject = "event channel";
    match (&status.standing, status.listening) {
        (_, true) => Some(ok(subject, "the verifier can reach this device at once")),
        (AgentState::Reporting, false) => Some(problem(
            subject,
            "not open: the verifier cannot ask for a step-up".to_owned(),
            "It is opened again by itself within a minute; a proxy in between must not hold answers back.",
        )),
        _ => None,
    }
}

fn session_program() -> Diagnostic {
    let subject = "security keys";
    match super::session::program() {
        Ok(program) if program.exists() => ok(subject, &format!("{} is installed", program.display())),
        // A machine without people needs none.
        Ok(program) => ok(
            subject,
            &format!("not used here: {} is not installed, and step-ups need it", program.display()),
        ),
        Err(error) => problem(subject, error.to_string(), "See whether this program is still there."),
    }
}

fn updates(os: &Os) -> Option<Diagnostic> {
    let subject = "package lists";
    let refresh =
        "Refresh them: apt-get update, dnf makecache, or zypper refresh; better, let a timer do it.";
    match (&os.security_updates, &os.updates_checked) {
        (Fact::Unreadable(Reason::Stale), Fact::Known(at)) => {
            Some(problem(subject, format!("last refreshed {}", when::relative(*at, wall())), refresh))
        }
        (Fact::Unreadable(reason), _) => {
            Some(problem(subject, format!("waiting updates: {reason}"), refresh))
        }
        (Fact::Known(_), Fact::Known(at)) => {
            Some(ok(subject, &format!("refreshed {}", when::relative(*at, wall()))))
        }
        _ => None,
    }
}

fn ok(subject: &str, seen: &str) -> Diagnostic {
    Diagnostic { subject: subject.to_owned(), ok: true, seen: seen.to_owned(), remedy: None }
}

fn problem(subject: &str, seen: String, remedy: &str) -> Diagnostic {
    Diagnostic { subject: subject.to_owned(), ok: false, seen, remedy: Some(remedy.to_owned()) }
}

fn page(all: &[Diagnostic], style: Style) -> String {
    let line = |finding: &Diagnostic| {
        let (paint, mark) = if finding.ok { (Paint::Good, "✓ ok") } else { (Paint::Bad, "✗ problem") };
        let seen = Cell::new(Paint::Plain, plain(&finding.seen));
        let remedy = finding.remedy.as_deref().map(plain).unwrap_or_default();
        vec![
            Cell::new(paint, mark),
            Cell::new(Paint::Plain, plain(&finding.subject)),
            seen.and(Paint::Bold, remedy),
        ]
    };
    let problems = all.iter().filter(|finding| !finding.ok).count();
    let sum = match problems {
        0 => "Everything that was looked at works.".to_owned(),
        1 => "1 problem.".to_owned(),
        count => format!("{count} problems."),
    };
    format!("{}\n{sum}\n", rows(style, &[9, 18], &all.iter().map(line).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_agent_core::{Agent, Saved};

    #[test]
    fn names_the_token_file_that_is_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let status = Agent::new(Saved::default()).status(crate::clock::now());
        assert_eq!(status.standing, AgentState::NotEnrolled);
        let config = Config {
            verifier: None,
            token_files: vec![file("missing"), file("token")],
            key: "auto".into(),
            state: folder.path().into(),
            socket: file("agent.sock"),
            report_seconds: None,
            managed: crate::config::ManagedConfig::default(),
        };
        assert!(unusable_token(&config, &status).is_none());
        for (content, named) in [("vse_abc\n", false), ("\"vse_abc\"", true), ("\n", true), ("a b", true)] {
            std::fs::write(file("token"), content).unwrap();
            let found = unusable_token(&config, &status);
            assert_eq!(found.is_some(), named, "{content}");
            assert!(found.is_none_or(|it| !it.ok && it.seen.contains("/token")), "{content}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn warns_of_a_token_that_all_users_can_read() {
        use crate::config::ConfigLayer;
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        std::fs::write(&file, "enrolment-token = 'vse_a'").unwrap();
        let warned = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            open_token(&Config::load(Some(&file), &ConfigLayer::default()).unwrap())
        };
        assert!(warned(0o640).is_none());
        let found = warned(0o644).unwrap();
        assert!(!found.ok && found.seen.contains("agent.toml") && !found.seen.contains("vse_a"), "{found:?}");
        std::fs::write(&file, "key = 'auto'").unwrap();
        assert!(warned(0o644).is_none(), "no token is in it");
    }

    #[test]
    fn a_page_says_what_to_do() {
        let style = Style { colour: false, width: 100 };
        let all = [
            ok("settings", "understood"),
            problem(
                "service",
                "the Vitalsign service is not running: no listener at /run/x.sock".into(),
                "Start it.",
            ),
            problem(
                "verifier",
                "no\u{1b}[2J route".into(),
                "Check the network, the address, and whether it runs.",
            ),
        ];
        insta::assert_snapshot!(page(&all, style));
        assert!(page(&all[..1], style).ends_with("Everything that was looked at works.\n"));
    }

    #[test]
    fn closed_channel_is_a_finding_only_while_reporting() {
        let offline = AgentState::Offline { since: 1, detail: "no route".into() };
        for (standing, listening, wanted) in [
            (AgentState::Reporting, true, Some(true)),
            (AgentState::Reporting, false, Some(false)),
            (offline, false, None),
            (AgentState::NotEnrolled, false, None),
        ] {
            let status = Status {
                standing,
                listening,
                ..vitalsign_agent_core::Agent::new(Default::default()).status(crate::clock::now())
            };
            assert_eq!(channel(&status).map(|finding| finding.ok), wanted, "{status:?}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_which_way() {
        for (skew, fine, word) in [(0, true, "agrees"), (-3600, false, "ahead of"), (86_400, false, "behind")]
        {
            let finding = clock(Reached { clock: Some(wall().saturating_add_signed(skew)) });
            assert_eq!(finding.ok, fine, "{finding:?}");
            assert!(finding.seen.contains(word), "{finding:?}");
        }
        assert!(clock(Reached { clock: None }).ok);
    }
}
