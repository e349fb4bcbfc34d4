//! Answers one question of the service that only root may ask, and ends.
//!
//! The service manager starts it for a connection, with the socket as standard input. It runs one program of a fixed list
//! and returns the output unread. It has no configuration and no state, and parses nothing but a request of four bytes and
//! the account's line in the password file. A second unit starts it for the packet filter's tools, which are the only ones
//! with a network and capabilities.

mod account;

use rustix::net::sockopt::socket_peercred;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;
use vitalsign_command::frame::{self, AnswerFrame, REQUEST_BYTES};
use vitalsign_command::{RunError, Surroundings, run};

/// Time limit for a client to send its request, and to take the answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let surroundings = match (arguments.next(), arguments.next().as_deref(), arguments.next()) {
        (Some(account), None, _) => Some((account, Surroundings::Apart)),
        (Some(account), Some("network"), None) => Some((account, Surroundings::Network)),
        _ => None,
    };
    let Some((account, surroundings)) = surroundings else {
        eprintln!("usage: vitalsign-helper ACCOUNT [network], with a connected socket as standard input");
        return ExitCode::from(2);
    };
    match serve(&account, surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot answer on standard input: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves the connection on standard input: one request, one answer.
fn serve(account: &str, surroundings: Surroundings) -> std::io::Result<()> {
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let uid = socket_peercred(&stream)?.uid.as_raw();
    // Also read from a client that is refused: the kernel would discard the answer with unread bytes.
    let mut request = [0; REQUEST_BYTES];
    stream.read_exact(&mut request)?;
    let answer = if uid == 0 || account::uid(account) == Some(uid) {
        answer(request, surroundings)
    } else {
        eprintln!("refused uid {uid}, which is neither root nor {account}");
        Err(RunError::Denied)
    };
    frame::write_answer(&mut stream, &answer)
}

fn answer(request: [u8; REQUEST_BYTES], surroundings: Surroundings) -> AnswerFrame {
    let Some(question) = frame::read_request(request) else {
        eprintln!("refused a request that is not in the list: {request:02x?}");
        return Err(RunError::Failed);
    };
    if question.surroundings() != surroundings {
        eprintln!("refused {}, which is asked at the helper's other socket", question.name());
        return Err(RunError::Denied);
    }
    let answer = run::answer(question);
    if let Err(error) = &answer
        && *error != RunError::Missing
    {
        eprintln!("{} gave no answer: {error}", question.programs().join(" or "));
    }
    answer
}
