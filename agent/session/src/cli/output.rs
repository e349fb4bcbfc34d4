//! Formats output: text for people, or one JSON line per change.

use serde_json::{Value, json};
use std::io::Write;
use vitalsign_ipc::{Stage, StepUp};
use vitalsign_protocol::details::{DetailsRow, rows};
use vitalsign_security_key::{PinReason, Prompt, Transport};
use vitalsign_session::{SessionError, UiUpdate, texts};

/// Writes to standard output; a reader that has gone away is no error.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as one line of JSON.
pub(super) fn say_line(value: &Value) {
    say(&format!("{value}\n"));
}

/// Formats an update as lines of JSON. Never contains a PIN.
pub(super) fn json(shown: &UiUpdate) -> Vec<String> {
    let line = match shown {
        UiUpdate::Status { changed, .. } => {
            return changed.iter().map(|step_up| format!("{}\n", step_up_json(step_up))).collect();
        }
        UiUpdate::Idle => json!({"waiting": true}),
        UiUpdate::Prompt { step_up, prompt } => {
            let mut line = prompt_json(prompt);
            if let Some(line) = line.as_object_mut() {
                line.insert("step_up".to_owned(), json!(step_up));
            }
            line
        }
        UiUpdate::SessionError { step_up, trouble } => {
            json!({"step_up": step_up, "trouble": trouble.to_string()})
        }
        UiUpdate::Disconnected(lost) => json!({"lost": lost.text}),
    };
    vec![format!("{line}\n")]
}

fn step_up_json(step_up: &StepUp) -> Value {
    let mut line = serde_json::to_value(step_up).unwrap_or_default();
    let stage = serde_json::to_value(&step_up.stage).unwrap_or_default();
    if let (Some(line), Value::Object(stage)) = (line.as_object_mut(), stage) {
        line.remove("id");
        line.insert("step_up".to_owned(), json!(step_up.id));
        line.extend(stage);
    }
    line
}

/// Formats a prompt of the security key as JSON.
pub(super) fn prompt_json(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Insert => json!({"prompt": "insert"}),
        Prompt::Touch { keys } => json!({"prompt": "touch", "keys": keys}),
        Prompt::Pin(pin) => {
            let (reason, least) = match pin.reason {
                PinReason::Needed => ("needed", None),
                PinReason::Wrong => ("wrong", None),
                PinReason::New { least } => ("new", Some(least)),
                PinReason::Change { least } => ("change", Some(least)),
                PinReason::Former => ("former", None),
                PinReason::Unsuitable { least } => ("unsuitable", Some(least)),
            };
            json!({"prompt": "pin", "reason": reason, "least": least, "attempts_left": pin.attempts_left})
        }
        Prompt::Working => json!({"prompt": "working"}),
    }
}

/// Formats an update for people, each of its parts by itself. `it` names IT; `now` is in seconds since 1970.
pub(super) fn words(shown: &UiUpdate, choices: bool, it: &str, now: u64) -> Vec<String> {
    let text = match shown {
        UiUpdate::Status { changed, .. } => {
            return changed.iter().filter_map(|step_up| stage_words(step_up, choices, it, now)).collect();
        }
        UiUpdate::Idle => Some("Waiting for step-ups. Leave with Ctrl-C.\n".to_owned()),
        UiUpdate::Prompt { prompt, .. } => prompt_words(prompt, |_| false),
        UiUpdate::SessionError { trouble, .. } => {
            let text = match trouble {
                SessionError::Key(failure) => texts::failure(failure, it),
                other => other.to_string(),
            };
            Some(format!("  {}\n", vitalsign_protocol::text::escape(&text).replace('\n', " ")))
        }
        UiUpdate::Disconnected(lost) => Some(format!("{} Looking for it again.\n", sentence(&lost.text))),
    };
    text.into_iter().collect()
}

fn stage_words(step_up: &StepUp, choices: bool, it: &str, now: u64) -> Option<String> {
    match &step_up.stage {
        // It is shown once it can be answered, or has ended.
        Stage::Preparing => None,
        Stage::Tap => {
            let mut text = String::from("\nA step-up is asked for, on this device.\n");
            text.push_str(&field("Application", &step_up.application));
            text.push_str(&field("What for", &step_up.message));
            if let Some(details) = &step_up.authorization_details {
                text.push_str("  Details:\n");
                rows(details, &step_up.details_schemas, "en")
                    .iter()
                    .for_each(|row| text.push_str(&detail(row)));
            }
            text.push_str(&field("For", &step_up.user));
            text.push_str(&field("Needs", texts::level(step_up.acr)));
            if let Some(entered) = step_up.pin_entered {
                let minutes = texts::counted(now.saturating_sub(entered) / 60, "minute");
                text.push_str(&field("PIN", &format!("not needed: you entered it {minutes} ago")));
            }
            text.push_str(&field("Time left", &texts::counted(step_up.until.saturating_sub(now), "second")));
            if choices {
                text.push_str("  Not now: n and Enter. I did not ask for this: x and Enter.\n");
            }
            Some(text)
        }
        Stage::Checking => Some("  The tap is being verified.\n".to_owned()),
        Stage::Ended { end, reasons } => {
            let application = vitalsign_protocol::text::escape(&step_up.application).replace('\n', " ");
            let mut text = format!("{application}: {}\n", texts::end(*end, it));
            for reason in reasons {
                text.push_str(&format!("  - {}\n", texts::reason(reason, it)));
            }
            Some(text)
        }
    }
}

/// Formats a row of details, set off by a bar like every text from outside.
fn detail(row: &DetailsRow) -> String {
    let indent = "  ".repeat(usize::try_from(row.depth).unwrap_or_default());
    let value = row.value.as_ref().map(|value| format!(": {value}")).unwrap_or_default();
    format!("    | {indent}{}{value}\n", row.name)
}

/// Formats a name and its value. A value of several lines is set off by a bar, so that it cannot be mistaken
/// for our text.
fn field(name: &str, value: &str) -> String {
    let value = vitalsign_protocol::text::escape(value);
    if !value.contains('\n') && value.chars().count() <= 80 {
        return format!("  {:<12} {value}\n", format!("{name}:"));
    }
    let mut text = format!("  {name}:\n");
    for line in value.split('\n') {
        text.push_str(&format!("    | {line}\n"));
    }
    text
}

/// Formats a prompt for people. `from_file` tells whether the PIN comes from a file.
pub(super) fn prompt_words(prompt: &Prompt, from_file: impl Fn(PinReason) -> bool) -> Option<String> {
    let text = match prompt {
        Prompt::Pin(pin) if from_file(pin.reason) => "  The PIN is taken from the file.\n".to_owned(),
        Prompt::Insert => "  Plug in your security key, or hold it to the reader.\n".to_owned(),
        Prompt::Touch { keys: 1 } => "  Touch your security key now.\n".to_owned(),
        Prompt::Touch { keys } => format!("  {keys} security keys are connected: touch yours.\n"),
        Prompt::Pin(pin) => {
            let mut text = match pin.reason {
                PinReason::Needed => String::new(),
                PinReason::Wrong => "  That PIN is wrong.".to_owned(),
                PinReason::New { least } => {
                    format!(
                        "  This security key has no PIN yet. Choose one of at least {least} characters.\n"
                    )
                }
                PinReason::Change { least } => format!(
                    "  This security key requires a new PIN. Choose one of at least {least} characters; the present one is \
                     asked for next.\n"
                ),
                PinReason::Former => "  Enter the present PIN, which is being replaced.\n".to_owned(),
                PinReason::Unsuitable { least } => format!(
                    "  The security key does not accept this PIN. Choose another one of at least {least} characters.\n"
                ),
            };
            if let Some(left) = pin.attempts_left.filter(|left| pin.reason == PinReason::Wrong || *left < 8) {
                let left = texts::counted(left.into(), "attempt");
                text.push_str(&format!("  {left} left before the security key is blocked."));
            }
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str("  PIN of your security key, which is not shown: ");
            text
        }
        Prompt::Working => return None,
    };
    Some(text)
}

/// Returns the name of a transport.
pub(super) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Usb => "USB",
        Transport::Nfc => "NFC",
    }
}

fn sentence(text: &str) -> String {
    let text = vitalsign_protocol::text::escape(text).replace('\n', " ");
    let mut characters = text.chars();
    let first: String = characters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_rows_that_are_set_off() {
        let step_up = json!({
            "id": "AQEBAQEBAQEBAQEBAQEBAQ", "application": "EHR", "user": "nurse-7", "message": "sign order 4711",
            "authorization_details": [{"type": "order", "dose": {"value": 5, "unit": "mg"}, "note": "x\n  PIN: 1"}],
            "details_schemas": {"order": {"labels": {"en": "Order", "de": "Auftrag"}, "fields": [
                {"name": "dose", "kind": "quantity", "labels": {"en": "Dose", "de": "Dosis"}},
            ]}},
            "acr": "urn:vitalsign:acr:hardware-key", "until": 1_795_317_300_u64, "stage": {"stage": "tap"},
        });
        let step_up = serde_json::from_value(step_up).unwrap();
        let text = stage_words(&step_up, true, "IT", 1_795_317_200).unwrap();
        assert!(
            text.contains("  Details:\n    | Order: order\n    | Dose: 5 mg\n    | note: x   PIN: 1\n"),
            "{text}"
        );
    }
}
