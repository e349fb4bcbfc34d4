//! `vitalsign-verifier enrol-token`: creates, lists and revokes enrolment tokens.

use super::connection::VerifierConnection;
use super::{print_json, span, table};
use vitalsign_verifier::admin_api::{
    CreateToken, CreatedToken, Label, ListTokens, NewToken, Nothing, RevokeToken, TokenTarget,
};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::store::token::Token;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it once
    Create {
        /// Number of devices that can enrol with it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        uses: u64,
        /// Lifetime, such as 30m, 12h or 7d
        #[arg(long, default_value = "7d", value_parser = span::seconds)]
        expires: u64,
        /// Label of the devices that enrol with it, such as "Ward 3 PC 12"
        #[arg(long)]
        label: Option<Label>,
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

pub(crate) async fn run(connection: &VerifierConnection, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Create { uses, expires, label, json } => {
            let new = NewToken { uses, lifetime: expires, label };
            let created = connection.call::<CreateToken>(&Nothing {}, &new).await?;
            if json {
                print_json(&created)?;
            } else {
                let CreatedToken { token, record } = created;
                println!("{}", token.expose());
                eprintln!(
                    "Token {}: for {}, until {}. It is not shown again.",
                    record.id,
                    if uses == 1 { "1 device".to_owned() } else { format!("{uses} devices") },
                    table::time(record.expires)
                );
            }
        }
        Command::List { json } => {
            let tokens = connection.call::<ListTokens>(&Nothing {}, &Nothing {}).await?;
            if json {
                print_json(&tokens)?;
            } else {
                let now = now();
                let rows: Vec<_> = tokens.iter().map(|token| row(token, now)).collect();
                table::print(["TOKEN", "LABEL", "CREATED", "EXPIRES", "USED", "STATE"], &rows);
            }
        }
        Command::Revoke { id } => {
            connection.call::<RevokeToken>(&TokenTarget { token: id }, &Nothing {}).await?;
            println!("Token {id} is revoked.");
        }
    }
    Ok(true)
}

fn row(token: &Token, now: u64) -> [String; 6] {
    let state = match token.revoked_at {
        Some(at) => format!("revoked {}", table::time(at)),
        None if token.expires <= now => "expired".to_owned(),
        None if token.used >= token.uses => "used up".to_owned(),
        None => "good".to_owned(),
    };
    let used = format!("{}/{}", token.used, token.uses);
    let label = token.label.clone().unwrap_or_default();
    [token.id.to_string(), label, table::time(token.created), table::time(token.expires), used, state]
}
