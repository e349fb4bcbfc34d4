//! `security-key register` and `security-key list`.

use super::person::{Person, on_ctrl_c};
use super::place::SocketArg;
use super::{PROGRAM, output, refused, unreached};
use anyhow::{Context, bail};
use serde_json::json;
use std::io::{IsTerminal, Read};
use vitalsign_client::program::ExitStatus;
use vitalsign_client::session_command::{List, Register};
use vitalsign_ipc::{Answer, Request};
use vitalsign_os::Terminal;
use vitalsign_protocol::calendar::date;
use vitalsign_protocol::id::Secret;
use vitalsign_protocol::step_up::RegisteredKey;
use vitalsign_security_key::{Cancel, Failure, Prompt, SecurityKeys};
use vitalsign_session::{RegisterError, ServiceConnector, Socket, texts};
use zeroize::Zeroizing;

const MAX_CODE: u64 = 1024;

pub(super) fn register(place: &SocketArg, arguments: Register) -> anyhow::Result<ExitStatus> {
    let socket = place.socket();
    let code = read_code()?;
    let keys = SecurityKeys::open()?;
    let cancel = Cancel::new();
    let (said, left) = (cancel.clone(), cancel.clone());
    // There is nothing to decline: whatever is said, the key is let go.
    let person = Person::new(&arguments.pin, move |_| said.cancel())?;
    on_ctrl_c(move || left.cancel())?;

    let begun = |user: &str| {
        let user = vitalsign_protocol::text::escape(user).replace('\n', " ");
        output::say(&format!("Registering a security key for {user}.\n"));
    };
    let mut unheard = false;
    let mut prompts = |prompt: Prompt| {
        let unanswered = person.forget();
        if let Some(text) = output::prompt_words(&prompt, |reason| person.has_pin(reason)) {
            output::say(&if unanswered { format!("\n{text}") } else { text });
        }
        if let Prompt::Pin(pin) = prompt {
            let before = cancel.is_cancelled();
            person.ask(pin);
            unheard |= !before && cancel.is_cancelled() && !person.is_there();
        }
    };
    let end =
        vitalsign_session::register(&socket, &keys, code, &arguments.name, begun, &mut prompts, &cancel);
    Ok(match end {
        Ok(key) => {
            output::say(&line(&key));
            ExitStatus::Success
        }
        Err(RegisterError::Service(error)) => unreached(&error),
        Err(RegisterError::Refused(refusal)) => refused(&refusal),
        Err(RegisterError::Key(failure)) => {
            let text =
                if unheard { texts::NO_PIN.to_owned() } else { texts::failure(&failure, &it(&socket)) };
            eprintln!("\n{PROGRAM}: {text}");
            if matches!(failure, Failure::Unavailable(_)) { ExitStatus::Failed } else { ExitStatus::Rejected }
        }
        Err(error @ RegisterError::Odd) => bail!(error),
    })
}

/// Asks the service how to name IT.
fn it(socket: &Socket) -> String {
    match socket.connect().and_then(|mut service| service.ask(Request::Status)) {
        Ok(Answer::Status(status)) => status.guidance.support.it(),
        _ => texts::IT.to_owned(),
    }
}

pub(super) fn list(place: &SocketArg, arguments: List) -> anyhow::Result<ExitStatus> {
    let attached = SecurityKeys::open()?.attached()?;
    let socket = place.socket();
    let (registered, outcome) = match socket.connect().and_then(|mut service| service.ask(Request::Keys)) {
        Ok(Answer::Keys(keys)) => (Some(keys), ExitStatus::Success),
        Ok(Answer::Refused(refusal)) => (None, refused(&refusal)),
        Ok(_) => bail!(texts::ODD),
        Err(error) => (None, unreached(&error)),
    };
    if arguments.json {
        let attached = attached.iter().map(|key| {
            json!({"name": key.name, "transport": output::transport(key.transport).to_ascii_lowercase()})
        });
        output::say_line(&json!({"attached": attached.collect::<Vec<_>>(), "registered": registered}));
        return Ok(outcome);
    }
    output::say(if attached.is_empty() { "No security key is plugged in.\n" } else { "Plugged in:\n" });
    for key in attached {
        let name = vitalsign_protocol::text::escape(&key.name).replace('\n', " ");
        output::say(&format!("  {name}, by {}\n", output::transport(key.transport)));
    }
    if let Some(keys) = registered {
        output::say(if keys.is_empty() { "No security key is registered.\n" } else { "Registered:\n" });
        keys.iter().for_each(|key| output::say(&format!("  {}", line(key))));
    }
    Ok(outcome)
}

fn line(key: &RegisteredKey) -> String {
    let plain = |text: &str| vitalsign_protocol::text::escape(text).replace('\n', " ");
    let used = key.last_used.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", date(at)));
    let (user, name, model) = (plain(&key.user), plain(&key.name), plain(&key.model));
    format!("{user}: {name} ({model}), registered {}, {used}\n", date(key.registered))
}

/// Reads the code at the terminal, or from standard input.
fn read_code() -> anyhow::Result<Secret> {
    if std::io::stdin().is_terminal() {
        output::say("Code: ");
        let mut terminal = Terminal::open().context("there is no terminal to enter the code at")?;
        return code(&terminal.read_line(false, || true)?.unwrap_or_default());
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_CODE).read_to_string(&mut text).context("cannot read the code")?;
    code(&text)
}

fn code(text: &str) -> anyhow::Result<Secret> {
    let code = text.trim().as_bytes();
    if code.is_empty() {
        bail!("no code was given");
    }
    Ok(Secret::new(code.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_key_is_one_line_that_obeys_nothing() {
        let key = RegisteredKey {
            id: 1,
            user: "nurse-7".into(),
            name: "blue\nkey\u{202e}".into(),
            model: "Example Key".into(),
            registered: 1_795_317_300,
            last_used: None,
        };
        assert_eq!(
            line(&key),
            "nurse-7: blue key<U+202E> (Example Key), registered 2026-11-22, never used\n"
        );
    }

    #[test]
    fn trims_key_code_from_a_file() {
        assert_eq!(code(" k7-Xq \n").unwrap().expose(), b"k7-Xq");
        assert!(code("  ").is_err());
    }
}
