//! `inspect`: shows the content of evidence, an event log, a quote or a verdict, and whether it is valid. For
//! support and auditors: needs no store and no network, and distinguishes what is proven, invalid and
//! unverified.

mod ear;
mod event_log;
mod evidence;
mod keys;
mod pcr_values;
mod quote;

use crate::clock;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use vitalsign_protocol::id::Nonce;

/// Larger files are rejected unread.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Object to inspect.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Evidence: COSE_Sign1, as devices send it.
    Evidence {
        /// File to read
        #[command(flatten)]
        file: File,
        /// The device's report key: PEM, DER, JWK, TPMT_PUBLIC, or an uncompressed point
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Nonce that the evidence must contain, in base64url
        #[arg(long, allow_hyphen_values = true)]
        nonce: Option<Nonce>,
    },
    /// A firmware's event log, as in /sys/kernel/security/tpm0/binary_bios_measurements.
    EventLog {
        /// File to read
        #[command(flatten)]
        file: File,
    },
    /// A TPM's quote: TPMS_ATTEST, or evidence that carries one.
    Quote {
        /// File to read
        #[command(flatten)]
        file: File,
        /// Attestation key: TPMT_PUBLIC, PEM, DER, or JWK
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The signature: TPMT_SIGNATURE. Evidence carries its own.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// The event log. Evidence may carry its own.
        #[arg(long, value_name = "FILE")]
        event_log: Option<PathBuf>,
        /// Values of the quoted PCRs: lines "0: HEX", as `tpm2_pcrread` prints them, or JSON. Evidence carries its own.
        #[arg(long, value_name = "FILE")]
        pcrs: Option<PathBuf>,
    },
    /// A verdict: an EAR as a JWT.
    Ear {
        /// File to read
        #[command(flatten)]
        file: File,
        /// The verifier's public keys: a JWK set, from `signing-key list --json` or /.well-known/jwks.json
        #[arg(long, visible_alias = "key", value_name = "FILE")]
        jwks: Option<PathBuf>,
        /// Nonce of the evidence that the verdict must refer to, in base64url
        #[arg(long, allow_hyphen_values = true)]
        nonce: Option<Nonce>,
        /// Time at which the verdict has to be valid, such as 2026-11-01T12:00:00Z [default: now]
        #[arg(long, value_name = "TIME", value_parser = instant)]
        at: Option<u64>,
    },
}

/// Input file and output format.
#[derive(Clone, Debug, clap::Args)]
pub struct File {
    /// Path of the file
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Result of an inspection.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Whether the object is valid.
    pub holds: Holds,
    /// Content, in display order.
    pub says: Vec<(&'static str, Value)>,
}

/// Validity of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Everything that the object claims was verified.
    Yes,
    /// Well-formed, with the reason why it could not be verified.
    NotChecked(&'static str),
    /// Invalid, with the violation.
    No(String),
}

/// Reason why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A file cannot be read.
    #[error("reading {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// A file is too large.
    #[error("reading {0}: more than {MAX_FILE_BYTES} bytes are not read")]
    TooLarge(PathBuf),
    /// The file does not contain an object of the expected kind.
    #[error("this is not {0}: {1}")]
    Malformed(&'static str, String),
    /// The file does not contain a key in a supported format.
    #[error(
        "the key in {0} is not one that can be used here: PEM or DER (SubjectPublicKeyInfo), a JWK, a TPM public area or \
         an uncompressed P-256 point"
    )]
    Key(PathBuf),
}

impl Unreadable {
    /// Returns whether the command was used wrongly. Otherwise the file that was named is not what it should be.
    #[must_use]
    pub fn is_wrong_use(&self) -> bool {
        matches!(self, Self::File(..) | Self::Key(_))
    }
}

/// Inspects a file and prints the result.
///
/// # Errors
/// The file cannot be inspected at all.
pub fn run(command: &Command) -> Result<Holds, Unreadable> {
    let (file, inspection) = match command {
        Command::Evidence { file, key, nonce } => {
            let key = key.as_deref().map(keys::report_key).transpose()?;
            (file, evidence::inspect(&read(&file.path)?, key.as_ref(), nonce.as_ref())?)
        }
        Command::EventLog { file } => (file, event_log::inspect(&read(&file.path)?)?),
        Command::Quote { file, key, signature, event_log, pcrs } => {
            let key = key.as_deref().map(keys::attestation_key).transpose()?;
            let signature = signature.as_deref().map(read).transpose()?;
            let log = event_log.as_deref().map(read).transpose()?;
            let values = pcrs.as_deref().map(pcr_values::read).transpose()?;
            (file, quote::inspect(&read(&file.path)?, key.as_ref(), signature, log, values)?)
        }
        Command::Ear { file, jwks, nonce, at } => {
            let keys = jwks.as_deref().map(keys::jwks).transpose()?;
            let at = at.unwrap_or_else(clock::now);
            (file, ear::inspect(&read(&file.path)?, keys.as_ref(), nonce.as_ref(), at)?)
        }
    };
    print!("{}", if file.json { inspection.json() } else { inspection.text() });
    Ok(inspection.holds)
}

/// Parses a time: RFC 3339.
fn instant(text: &str) -> Result<u64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(time.as_second()).map_err(|_| "before 1970".to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let failed = |error| Unreadable::File(path.to_owned(), error);
    let mut bytes = Vec::new();
    // Pipes and devices have no size that could be looked at before.
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        Err(Unreadable::TooLarge(path.to_owned()))
    }
}

impl Inspection {
    /// Formats the result as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let (word, why) = match &self.holds {
            Holds::Yes => ("yes", None),
            Holds::NotChecked(why) => ("not-checked", Some(*why)),
            Holds::No(why) => ("no", Some(why.as_str())),
        };
        let mut all: Map<String, Value> = Map::new();
        all.insert("holds".into(), word.into());
        all.extend(why.map(|why| ("why".to_owned(), why.into())));
        all.extend(self.says.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        format!("{:#}\n", Value::Object(all))
    }

    /// Formats the result as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = match &self.holds {
            Holds::Yes => "Valid.\n\n".to_owned(),
            Holds::NotChecked(why) => format!("Not checked: {why}.\n\n"),
            Holds::No(why) => format!("Invalid: {why}.\n\n"),
        };
        let says: Vec<_> = self.says.iter().map(|(name, value)| (*name, value)).collect();
        write_lines(&mut out, 0, &says);
        out
    }
}

fn write_lines(out: &mut String, indent: usize, lines: &[(&str, &Value)]) {
    let flat = lines.iter().filter(|(_, value)| !is_section(value));
    let width = flat.map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in lines {
        // Writing to a string does not fail.
        let _ = match value {
            Value::Object(fields) if is_section(value) => {
                let written = writeln!(out, "{:indent$}{name}", "");
                let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
                write_lines(out, indent + 2, &fields);
                written
            }
            other => writeln!(out, "{:indent$}{name:<width$}  {}", "", line(other)),
        };
    }
}

/// Returns whether a value is too large for one line.
fn is_section(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.len() > 1 || fields.values().any(Value::is_object))
}

/// Formats a value on one line. Control characters are escaped, because they could overwrite earlier output.
fn line(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().flat_map(escaped).collect(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(line).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", line(value)));
            fields.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}
