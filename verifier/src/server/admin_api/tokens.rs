//! Enrolment tokens.

use super::answer::Call;
use crate::admin_api::{AdminProblem, CreatedToken, NewToken, Nothing, TokenTarget};
use crate::store::token::Token;
use vitalsign_protocol::problem::Problem;

/// The most devices that a token enrols.
const MAX_USES: u64 = 1_000_000;

pub(super) async fn create(call: Call, _: Nothing, new: NewToken) -> Result<CreatedToken, Problem> {
    if !(1..=MAX_USES).contains(&new.uses) || new.lifetime == 0 {
        return Err(AdminProblem::Invalid.because("A token has 1 to 1000000 uses and a lifetime."));
    }
    let expires = call.now.saturating_add(new.lifetime);
    let label = new.label.as_ref().map(|label| label.as_str());
    let (record, token) = call.store.create_token(new.uses, expires, label, call.now).await?;
    Ok(CreatedToken { token: token.into(), record })
}

pub(super) async fn list(call: Call, _: Nothing, _: Nothing) -> Result<Vec<Token>, Problem> {
    Ok(call.store.tokens().await?)
}

pub(super) async fn revoke(call: Call, target: TokenTarget, _: Nothing) -> Result<TokenTarget, Problem> {
    if !call.store.revoke_token(target.token, call.now).await? {
        let token = target.token;
        return Err(
            AdminProblem::Conflict.because(format!("There is no token {token}, or it was revoked before."))
        );
    }
    Ok(target)
}
