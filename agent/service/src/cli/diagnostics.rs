//! `vitalsign diagnostics`: shows the diagnostics for IT, and sends exactly what was shown.

use super::{PathArgs, say, say_json, status};
use crate::config::ConfigLayer;
use crate::render::plain;
use std::io::IsTerminal;
use vitalsign_client::ServiceClient;
use vitalsign_client::program::ExitStatus;
use vitalsign_ipc::{Answer, Refusal, Request};
use vitalsign_os::Terminal;
use vitalsign_protocol::problem::ProblemType;

const EXAMPLES: &str = "\
Examples:
  Read the diagnostics, and send them after a question:
    vitalsign diagnostics send
  Send them without a question, for example by remote control:
    vitalsign diagnostics send --yes --json";

#[derive(clap::Subcommand)]
pub(crate) enum DiagnosticsCommand {
    /// Show the diagnostics. Nothing is sent.
    Show,
    /// Show the diagnostics, send them to IT, and print the number to tell IT.
    #[command(after_help = EXAMPLES)]
    Send {
        /// Do not ask before sending
        #[arg(long)]
        yes: bool,
        /// Print the reference and the text as JSON
        #[arg(long, requires = "yes")]
        json: bool,
    },
}

pub(crate) fn run(place: &PathArgs, command: &DiagnosticsCommand) -> anyhow::Result<ExitStatus> {
    let config = place.load(ConfigLayer::default())?;
    let mut service = ServiceClient::connect(&config.socket)?;
    let text = match service.ask(Request::DiagnosticsText { notes: Vec::new() })? {
        Answer::DiagnosticsText(text) => text,
        Answer::Refused(refusal) => return Err(refusal.into()),
        other => anyhow::bail!("{}", status::refusal(&other)),
    };
    let (yes, json) = match command {
        DiagnosticsCommand::Show => {
            say(&text);
            return Ok(ExitStatus::Success);
        }
        DiagnosticsCommand::Send { yes, json } => (*yes, *json),
    };
    if !json {
        say(&text);
    }
    if !yes && !confirmed()? {
        eprintln!("Nothing was sent.");
        return Ok(ExitStatus::Rejected);
    }
    let reference = match service.ask(Request::SendDiagnostics { text: text.clone() })? {
        Answer::DiagnosticsSent { reference } => reference,
        Answer::Refused(refusal) => return not_sent(refusal),
        other => anyhow::bail!("{}", status::refusal(&other)),
    };
    if json {
        say_json(&serde_json::json!({ "reference": reference, "text": text }))?;
    } else {
        let it = match service.ask(Request::Status)? {
            Answer::Status(status) => status.guidance.support.it(),
            _ => "IT".to_owned(),
        };
        say(&format!("\nSent. Tell {} this number: {reference}\n", plain(&it)));
    }
    Ok(ExitStatus::Success)
}

/// Asks at the terminal.
fn confirmed() -> anyhow::Result<bool> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "there is no terminal to ask at: read the text above, then add --yes to send it"
    );
    say("\nSend this to IT? [y/N] ");
    let answer = Terminal::open()?.read_line(false, || true)?.unwrap_or_default();
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn not_sent(refusal: Refusal) -> anyhow::Result<ExitStatus> {
    match &refusal {
        Refusal::Verifier { problem: None, detail } => {
            eprintln!(
                "vitalsign: nothing was sent: {detail}. Try again when this device has a connection, or copy the text above"
            );
            Ok(ExitStatus::Failed)
        }
        Refusal::Verifier { problem: Some(problem), .. } if problem == ProblemType::RateLimited.urn() => {
            eprintln!(
                "vitalsign: nothing was sent: this device has sent diagnostics often in the last hour. Copy the text above"
            );
            Ok(ExitStatus::Rejected)
        }
        _ => Err(refusal.into()),
    }
}
