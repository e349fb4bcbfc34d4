//! The API itself, what needs attention, step-ups and signing keys.

use super::answer::Call;
use super::confirm;
use super::users::no_user;
use crate::admin_api::{
    AdminProblem, Administrator, ClientAssertion, Examination, KeyReplacement, KeyRotation, KeyWithdrawal,
    NewSigningKey, Nothing, SigningKeyList, SigningKeyQuery, SigningKeyState, SigningKeyView, StepUpQuery,
    TapCancellation,
};
use crate::keyring::KeyringError;
use crate::oidc;
use crate::signing_keys::KnownKey;
use crate::store::key::{KeyPurpose, KeyState};
use crate::store::recent_step_ups::{RecentStepUp, StepUpFilter};
use serde_json::Value;
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Step-ups that are listed at once.
const MAX_STEP_UPS: u32 = 1000;
const STEP_UPS: u32 = 20;
/// Seconds in which applications fetch the keys of tokens again, with a margin: they may cache them for 60 s.
const JWKS_SECONDS: u64 = 600;

pub(super) async fn describe(call: Call, _: Nothing, _: Nothing) -> Result<Value, Problem> {
    Ok(call.description().clone())
}

pub(super) async fn show_administrator(call: Call, _: Nothing, _: Nothing) -> Result<Administrator, Problem> {
    Ok(Administrator {
        name: call.identity.name.clone(),
        scopes: call.identity.scopes.iter().copied().collect(),
    })
}

pub(super) async fn examine(call: Call, _: Nothing, _: Nothing) -> Result<Examination, Problem> {
    let verifier = call.verifier().clone();
    // Reads files, which may take a while.
    let examined = tokio::task::spawn_blocking(move || Examination::of_files(verifier.config(), call.now));
    let mut examined = examined.await.map_err(|_| Problem::new(ProblemType::Internal, ""))?;
    if let Err(error) = call.store.probe().await {
        examined.problems.push(format!("the store cannot be written: {error}"));
    }
    Ok(examined)
}

pub(super) async fn list_step_ups(
    call: Call,
    _: Nothing,
    query: StepUpQuery,
) -> Result<Vec<RecentStepUp>, Problem> {
    let StepUpQuery { user, client, message, since, limit } = query;
    let limit = limit.unwrap_or(STEP_UPS).min(MAX_STEP_UPS);
    // A step-up has the user's own name, whichever name the application sent. One for an unknown user has what it sent.
    let known = match &user {
        Some(name) => call.store.user(name).await?.map(|user| user.name),
        None => None,
    };
    let missing = user.clone().filter(|_| known.is_none());
    let filter = StepUpFilter { user: known.or(user), client, message, since };
    let found = call.store.recent_step_ups(&filter, limit).await?;
    match missing.filter(|_| found.is_empty()) {
        Some(name) => Err(no_user(&name)),
        None => Ok(found),
    }
}

pub(super) async fn sign_assertion(call: Call, _: Nothing, _: Nothing) -> Result<ClientAssertion, Problem> {
    let verifier = call.verifier();
    let failed = |error: &dyn std::fmt::Display| AdminProblem::Conflict.because(error.to_string());
    let administrator = oidc::Administrator::open(&call.keyring(), call.now).await;
    let administrator = administrator.map_err(|error| failed(&error))?;
    let jti = oidc::random_name::<16>().map_err(|_| Problem::new(ProblemType::Internal, ""))?;
    let (issuer, _) = verifier.config().origin();
    let assertion = administrator.assertion(issuer, jti, call.now).map_err(|error| failed(&error))?;
    Ok(ClientAssertion { assertion: assertion.into() })
}

pub(super) async fn cancel_tap(
    call: Call,
    _: Nothing,
    cancellation: TapCancellation,
) -> Result<Nothing, Problem> {
    confirm::cancel(&call, cancellation.approval.expose()).await?;
    Ok(Nothing {})
}

fn purpose(tokens: bool) -> KeyPurpose {
    if tokens { KeyPurpose::Tokens } else { KeyPurpose::Verdicts }
}

fn failed(error: KeyringError) -> Problem {
    match error {
        KeyringError::Store(error) => error.into(),
        error => {
            tracing::error!(%error, "signing keys");
            AdminProblem::Conflict.because(error.to_string())
        }
    }
}

pub(super) async fn list_signing_keys(
    call: Call,
    _: Nothing,
    query: SigningKeyQuery,
) -> Result<SigningKeyList, Problem> {
    let keys = call.keyring().signing_keys(purpose(query.tokens)).await.map_err(failed)?;
    let view = |key: &KnownKey| SigningKeyView {
        kid: key.jwk.kid.clone(),
        state: match key.state {
            KeyState::Next => SigningKeyState::Next,
            KeyState::Active => SigningKeyState::Active,
            KeyState::Retired => SigningKeyState::Retired,
            KeyState::Withdrawn => SigningKeyState::Withdrawn,
        },
        at: key.withdrawn.or(key.published_until()).or((key.begins > call.now).then_some(key.begins)),
    };
    Ok(SigningKeyList { keys: keys.all().iter().rev().map(view).collect(), jwks: keys.published(call.now) })
}

/// Checks that others learn the new key before it signs: devices in the time for which their last verdict is valid, and
/// applications when they fetch the keys again.
fn check_delay(rotation: KeyRotation, nonce_seconds: u64) -> Result<(), Problem> {
    let (least, who, then) = match rotation.tokens {
        true => (JWKS_SECONDS, "applications", "refuse tokens until they fetch the keys again"),
        false => {
            (nonce_seconds, "devices", "refuse verdicts until their next report, and people cannot tap there")
        }
    };
    if rotation.force || rotation.delay >= least {
        return Ok(());
    }
    Err(AdminProblem::Invalid.because(format!(
        "In less than {least} s not all {who} learn the new key, and those would {then}. Use a longer time, or --force."
    )))
}

pub(super) async fn rotate_signing_key(
    call: Call,
    _: Nothing,
    rotation: KeyRotation,
) -> Result<NewSigningKey, Problem> {
    check_delay(rotation, call.verifier().config().nonce_seconds)?;
    let (purpose, from) = (purpose(rotation.tokens), call.now.saturating_add(rotation.delay));
    let keys = call.keyring().rotate(purpose, call.now, from).await.map_err(failed)?;
    let kid = keys.next().map_or(&keys.current().kid, |(next, _)| &next.kid).clone();
    Ok(NewSigningKey { kid, signs: purpose.as_str().to_owned(), from })
}

pub(super) async fn replace_signing_key(
    call: Call,
    _: Nothing,
    replacement: KeyReplacement,
) -> Result<NewSigningKey, Problem> {
    let purpose = purpose(replacement.tokens);
    let keys = call.keyring().replace_compromised(purpose, call.now).await.map_err(failed)?;
    let kid = keys.current().kid.clone();
    Ok(NewSigningKey { kid, signs: purpose.as_str().to_owned(), from: call.now })
}

/// Checks that there is such a key, so that no one is asked to confirm a typing error.
pub(super) async fn check_known_key(call: &Call, withdrawal: &KeyWithdrawal) -> Result<(), Problem> {
    let keys = call.keyring().signing_keys(purpose(withdrawal.tokens)).await.map_err(failed)?;
    match keys.all().iter().any(|key| key.jwk.kid == withdrawal.kid) {
        true => Ok(()),
        false => Err(failed(KeyringError::NotWithdrawn(withdrawal.kid.clone()))),
    }
}

pub(super) async fn withdraw_signing_key(
    call: Call,
    _: Nothing,
    withdrawal: KeyWithdrawal,
) -> Result<KeyWithdrawal, Problem> {
    let purpose = purpose(withdrawal.tokens);
    call.keyring().withdraw(purpose, &withdrawal.kid, call.now).await.map_err(failed)?;
    Ok(withdrawal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_waits_until_others_know_the_key() {
        let check = |tokens, delay, force| check_delay(KeyRotation { tokens, delay, force }, 900).is_ok();
        assert!(check(false, 900, false) && !check(false, 899, false) && check(false, 0, true));
        assert!(check(true, 600, false) && !check(true, 599, false) && check(true, 0, true));
    }
}
