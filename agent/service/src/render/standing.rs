//! Formats the status: a summary sentence, the verdict, and the connection to the verifier.

use super::style::{Paint, Style};
use super::table::{Cell, paragraph, rows};
use super::verdict::Advisor;
use super::{plain, verdict, when};
use std::path::Path;
use vitalsign_ipc::{AgentState, Stage, Status, StepUp};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::ear::Tier;
use vitalsign_protocol::organisation::Support;

/// Returns whether the last verdict is affirming and has not expired.
pub(crate) fn healthy(status: &Status, now: u64) -> bool {
    let accepted = status.ear.as_ref().is_some_and(|ear| ear.ear_status == Some(Tier::Affirming));
    accepted
        && !expired(status, now)
        && !matches!(status.standing, AgentState::Revoked | AgentState::Refused { .. })
}

pub(crate) fn page(status: &Status, advisor: &Advisor, style: Style, now: u64) -> String {
    let mut out =
        format!("{}\n\n", style.paint(Paint::Bold, &paragraph(&sentence(status, advisor, now), style)));
    if let Some(ear) = &status.ear {
        out.push_str(&verdict::table(ear, advisor, style, now));
        out.push('\n');
    }
    let mut lines = vec![line("Verifier", contact(&status.standing, now))];
    if let Some(at) = status.reported_at {
        lines.push(line("Last verdict", format!("{} ({})", when::moment(at), when::relative(at, now))));
    }
    if let Some(exp) = status.ear.as_ref().and_then(|ear| ear.exp) {
        lines.push(line("Valid until", format!("{} ({})", when::moment(exp), when::relative(exp, now))));
    }
    if status.enrolment.is_some() {
        let reach = if status.listening {
            "the verifier can reach this device at once"
        } else {
            "not open: the verifier cannot ask anything of this device now"
        };
        lines.push(line("Event channel", reach.to_owned()));
    }
    for step_up in &status.step_ups {
        lines.push(line("Step-up", asked(step_up, now)));
    }
    if let Some(enrolment) = status.enrolment {
        lines.push(line("Device code", DeviceCode::of(&enrolment).to_string()));
    }
    if let Some(organisation) = &status.guidance.organisation {
        lines.push(line("Organisation", plain(organisation)));
    }
    if let Some(support) = support(&status.guidance.support) {
        lines.push(line("Help", support));
    }
    if let Some(why) = &status.settings.refused {
        lines.push(line("Settings", refused(why)));
    }
    if let Some(cost) = status.cost {
        lines.push(line(
            "Last report",
            format!(
                "{} bytes of evidence · {} · {} to the key · facts in {:.1} ms · signed in {:.1} ms",
                cost.evidence_bytes,
                when::counted(cost.round_trips, "round trip"),
                when::counted(cost.hardware_commands, "command"),
                milliseconds(cost.collect_micros),
                milliseconds(cost.sign_micros),
            ),
        ));
    }
    out.push_str(&rows(style, &[20], &lines));
    out
}

/// Returns the status for programs: with the device's code beside its enrolment ID.
pub(crate) fn json(status: &Status) -> serde_json::Result<serde_json::Value> {
    let mut value = serde_json::to_value(status)?;
    if let (Some(fields), Some(enrolment)) = (value.as_object_mut(), status.enrolment) {
        fields.insert("code".to_owned(), DeviceCode::of(&enrolment).to_string().into());
    }
    Ok(value)
}

/// Formats the line that says where the verifier is set.
pub(crate) fn managed(file: &Path, style: Style) -> String {
    let text = format!("the verifier is set by managed configuration ({})", file.display());
    rows(style, &[20], &[line("Settings", text)])
}

/// Says why the managed settings are not in force.
pub(crate) fn refused(why: &str) -> String {
    format!("the new settings are not in force, and the last ones are: {}", plain(why))
}

/// Returns the summary sentence.
pub(crate) fn sentence(status: &Status, advisor: &Advisor, now: u64) -> String {
    match (&status.standing, &status.ear) {
        (AgentState::Revoked, _) => {
            format!("This device was revoked. {}", advisor.guidance.support.instruction())
        }
        (AgentState::Refused { detail, .. }, _) => {
            format!("The verifier refuses this device: {}", plain(detail))
        }
        (AgentState::NotEnrolled, _) => {
            let it = plain(&advisor.guidance.support.it());
            format!(
                "This device is not enrolled. Get an enrolment token from {it}, then run `vitalsign enrol`."
            )
        }
        (_, Some(ear)) if expired(status, now) => {
            let last = verdict::sentence(ear, advisor);
            format!("The last verdict is too old to be relied on. It was: {last}")
        }
        (_, Some(ear)) => verdict::sentence(ear, advisor),
        (AgentState::Enrolling, None) => "This device is enrolling.".to_owned(),
        (AgentState::KeyTrouble { detail }, None) => {
            format!("The device key cannot be used: {}", plain(detail))
        }
        (AgentState::Offline { .. }, None) => {
            "The verifier cannot be reached, and there is no verdict yet.".to_owned()
        }
        (AgentState::Starting | AgentState::Reporting, None) => "There is no verdict yet.".to_owned(),
    }
}

/// All ways to reach IT in one line; none if the organisation gives none.
pub(crate) fn support(support: &Support) -> Option<String> {
    let parts: Vec<&str> = [&support.name, &support.phone, &support.url, &support.text]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    (!parts.is_empty()).then(|| plain(&parts.join(" · ")))
}

fn contact(standing: &AgentState, now: u64) -> String {
    match standing {
        AgentState::Starting => "not contacted since the start".to_owned(),
        AgentState::NotEnrolled => "no enrolment".to_owned(),
        AgentState::Enrolling => "enrolling".to_owned(),
        AgentState::Reporting => "has the newest report".to_owned(),
        AgentState::Offline { since, detail } => {
            format!("not reached, first {}: {}", when::relative(*since, now), plain(detail))
        }
        AgentState::Revoked => "has revoked this device".to_owned(),
        AgentState::Refused { problem, detail } => format!("refuses: {} ({})", plain(detail), plain(problem)),
        AgentState::KeyTrouble { detail } => format!("cannot be reported to: {}", plain(detail)),
    }
}

/// A step-up in one line.
fn asked(step_up: &StepUp, now: u64) -> String {
    let what = format!("{}: {}", plain(&step_up.application), plain(&step_up.message));
    let how_far = match &step_up.stage {
        Stage::Preparing => "is being prepared".to_owned(),
        Stage::Tap => format!(
            "waits for the security key of {}, and ends {}",
            plain(&step_up.user),
            when::relative(step_up.until, now)
        ),
        Stage::Checking => "is being checked".to_owned(),
        Stage::Ended { end, reasons } if reasons.is_empty() => end.to_string(),
        Stage::Ended { end, reasons } => format!("{end} ({})", plain(&reasons.join(", "))),
    };
    format!("{what}; {how_far}")
}

fn expired(status: &Status, now: u64) -> bool {
    status.ear.as_ref().and_then(|ear| ear.exp).is_some_and(|exp| exp <= now)
}

fn line(name: &str, text: String) -> Vec<Cell> {
    vec![Cell::new(Paint::Dim, name), Cell::new(Paint::Plain, text)]
}

fn milliseconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::{NOW, ear};
    use super::*;
    use vitalsign_protocol::ear::Check;
    use vitalsign_protocol::id::{EnrolmentId, StepUpId};
    use vitalsign_protocol::step_up::{Acr, StepUpResult};

    const STYLE: Style = Style { colour: false, width: 100 };

    fn status(standing: AgentState, tier: Option<Tier>, exp: u64) -> Status {
        let check = |status| Check {
            check: "os-updates".into(),
            status,
            reason: "ok".into(),
            seen: serde_json::Map::new(),
            since: None,
            deadline: None,
        };
        let mut ear = tier.map(|tier| ear(vec![check(tier)]));
        if let Some(ear) = &mut ear {
            ear.exp = Some(exp);
        }
        Status {
            standing,
            enrolment: None,
            ear,
            reported_at: Some(NOW - 90),
            posture: None,
            busy: false,
            next_report_seconds: 0,
            cost: None,
            listening: false,
            step_ups: Vec::new(),
            guidance: vitalsign_ipc::Guidance::default(),
            settings: vitalsign_ipc::SettingsState::default(),
        }
    }

    #[test]
    fn page_fits_every_terminal() {
        let mut status = status(
            AgentState::Offline { since: NOW - 600, detail: "connection refused (os error 111)".into() },
            Some(Tier::Affirming),
            NOW,
        );
        status.enrolment = Some(EnrolmentId([7; 16]));
        for width in [60, 80, 140] {
            let shown = page(&status, &Advisor::default(), Style { width, ..STYLE }, NOW);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
            insta::assert_snapshot!(format!("status-{width}"), shown);
        }
    }

    #[test]
    fn the_first_sentence_and_whether_it_is_well() {
        let offline = || AgentState::Offline { since: NOW - 600, detail: "no\u{1b} route".into() };
        let refused = || AgentState::Refused {
            problem: "urn:vitalsign:problem:x".into(),
            detail: "Token\n spent.".into(),
        };
        let (good, bad) = (Some(Tier::Affirming), Some(Tier::Contraindicated));
        for (standing, tier, exp, well, wanted) in [
            (AgentState::Reporting, good, NOW + 1, true, "This device is healthy."),
            (AgentState::Reporting, bad, NOW + 1, false, "1 thing needs attention, and you can fix it now."),
            (offline(), good, NOW + 1, true, "This device is healthy."),
            (
                offline(),
                good,
                NOW,
                false,
                "The last verdict is too old to be relied on. It was: This device is healthy.",
            ),
            (offline(), None, 0, false, "The verifier cannot be reached, and there is no verdict yet."),
            (AgentState::Revoked, good, NOW + 1, false, "This device was revoked. Contact IT."),
            (refused(), good, NOW + 1, false, "The verifier refuses this device: Token  spent."),
            (AgentState::Enrolling, None, 0, false, "This device is enrolling."),
        ] {
            let status = status(standing, tier, exp);
            assert_eq!(
                (sentence(&status, &Advisor::default(), NOW).as_str(), healthy(&status, NOW)),
                (wanted, well)
            );
        }
    }

    #[test]
    fn a_page_while_step_ups_are_asked() {
        let step_up = |number, message: &str, stage| StepUp {
            id: StepUpId([number; 16]),
            application: "ehr".into(),
            user: "nurse-7".into(),
            message: message.into(),
            authorization_details: None,
            details_schemas: Default::default(),
            acr: Acr::HardwareKey,
            until: NOW + 45,
            pin_entered: None,
            stage,
        };
        let reasons = vec!["disk-encryption".to_owned(), "os-updates".to_owned()];
        let status = Status {
            enrolment: Some(EnrolmentId([7; 16])),
            listening: true,
            step_ups: vec![
                step_up(1, "sign order 12", Stage::Tap),
                step_up(2, "sign\u{1b}[2J order 13", Stage::Preparing),
                step_up(3, "sign order 14", Stage::Checking),
                step_up(4, "sign order 15", Stage::Ended { end: StepUpResult::Unhealthy, reasons }),
                step_up(
                    5,
                    "sign order 16",
                    Stage::Ended { end: StepUpResult::Approved, reasons: Vec::new() },
                ),
            ],
            ..status(AgentState::Reporting, Some(Tier::Affirming), NOW + 3600)
        };
        insta::assert_snapshot!(page(&status, &Advisor::default(), STYLE, NOW));
        let json = json(&status).unwrap();
        assert_eq!(
            (&json["code"], &json["enrolment"]),
            (&"0W3-GE1-R7D".into(), &"BwcHBwcHBwcHBwcHBwcHBw".into())
        );
    }

    #[test]
    fn a_page_while_the_verifier_is_away() {
        let standing =
            AgentState::Offline { since: NOW - 600, detail: "the verifier did not answer in time".into() };
        let mut status = status(standing, Some(Tier::Affirming), NOW + 3600);
        let support = &mut status.guidance.support;
        support.name = Some("Service desk".into());
        support.phone = Some("ext. 1234".into());
        status.guidance.organisation = Some("St. Example Hospital".into());
        insta::assert_snapshot!(page(&status, &Advisor::default(), STYLE, NOW));
    }
}
