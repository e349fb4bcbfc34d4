//! `vitalsign-verifier enrol-token`: creates, lists and revokes enrolment tokens.

use super::table;
use std::path::Path;
use vitalsign_verifier::clock::now;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it once
    Create {
        /// Number of devices that can enrol with it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        uses: u64,
        /// Lifetime, such as 30m, 12h or 7d
        #[arg(long, default_value = "7d", value_parser = seconds)]
        expires: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token
    Revoke {
        /// Number, as shown by `list`
        id: i64,
    },
}

pub(crate) async fn run(config: &Path, command: Command) -> anyhow::Result<bool> {
    // Creates the store, because the first token is created before the first device enrols.
    let config = vitalsign_verifier::config::Config::read(config)?;
    vitalsign_verifier::files::create_folder(&config.data)?;
    let store = vitalsign_verifier::store::Store::open(&config.store()).await?;
    let now = now();
    match command {
        Command::Create { uses, expires, json } => {
            let (record, token) = store.create_token(uses, now.saturating_add(expires), now).await?;
            if json {
                super::print_json(&serde_json::json!({ "token": token, "record": record }))?;
            } else {
                println!("{token}");
                eprintln!(
                    "Token {}: {uses} uses, until {}. It is not shown again.",
                    record.id,
                    table::time(record.expires)
                );
            }
        }
        Command::List { json } => {
            let tokens = store.tokens().await?;
            if json {
                super::print_json(&tokens)?;
            } else {
                let rows: Vec<_> = tokens
                    .iter()
                    .map(|it| {
                        let state = match it.revoked_at {
                            Some(at) => format!("revoked {}", table::time(at)),
                            None if it.expires <= now => "expired".to_owned(),
                            None if it.used >= it.uses => "used up".to_owned(),
                            None => "good".to_owned(),
                        };
                        let used = format!("{}/{}", it.used, it.uses);
                        [it.id.to_string(), table::time(it.created), table::time(it.expires), used, state]
                    })
                    .collect();
                table::print(["TOKEN", "CREATED", "EXPIRES", "USED", "STATE"], &rows);
            }
        }
        Command::Revoke { id } => {
            if !store.revoke_token(id, now).await? {
                eprintln!("There is no token {id}, or it was revoked before.");
                return Ok(false);
            }
            println!("Token {id} is revoked.");
        }
    }
    store.close().await;
    Ok(true)
}

pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86400),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, last)| {
        let number: u64 = text.get(..at)?.parse().ok()?;
        number.checked_mul(unit(last)?)
    });
    parsed
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "a number and s, m, h or d was expected: 7d".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_have_a_unit() {
        for (text, expected) in [
            ("7d", Some(604_800)),
            ("90s", Some(90)),
            ("12h", Some(43_200)),
            ("7", None),
            ("0d", None),
            ("d", None),
            ("", None),
            ("1µ", None),
        ] {
            assert_eq!(super::seconds(text).ok(), expected, "{text}");
        }
    }
}
