//! Descriptions of the actions that may need a tap, for the person who taps.

use super::answer::Call;
use super::confirm::Confirmed;
use super::{clients, devices, maintenance, users};
use crate::admin_api::{self as api, AdminProblem, DeviceRef, Operation};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::problem::Problem;

type Described = Result<Option<String>, Problem>;

fn because(reason: &api::Reason) -> String {
    match reason.as_str() {
        "" => String::new(),
        reason => format!(" Reason: {reason}."),
    }
}

/// Formats a duration by its largest unit.
fn duration(seconds: u64) -> String {
    match seconds {
        s if s > 0 && s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s > 0 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn signs(tokens: bool) -> &'static str {
    if tokens { "tokens" } else { "verdicts" }
}

impl Confirmed for api::RevokeDevice {
    async fn describe(call: &Call, target: &mut Self::Target, input: &Self::Input) -> Described {
        let device = devices::find(&call.store, &target.device).await?;
        if device.revoked_at.is_some() {
            return Err(
                AdminProblem::Conflict.because(format!("Device {} was revoked before.", device.enrolment))
            );
        }
        target.device = DeviceRef::Id(device.enrolment);
        let label = device.label.map(|label| format!(" ({label})")).unwrap_or_default();
        let code = DeviceCode::of(&device.enrolment);
        Ok(Some(format!("Revoke device {code}{label}.{}", because(&input.reason))))
    }
}

impl Confirmed for api::DisableUser {
    async fn describe(call: &Call, target: &mut Self::Target, _: &Self::Input) -> Described {
        target.user = users::find_user(call, &target.user).await?.name;
        Ok(Some(format!("Disable user {}.", target.user)))
    }
}

impl Confirmed for api::CreateKeyCode {
    async fn describe(call: &Call, target: &mut Self::Target, input: &Self::Input) -> Described {
        target.user = users::find_user(call, &target.user).await?.name;
        let (user, lifetime) = (&target.user, duration(input.lifetime));
        Ok(Some(format!("Create a code with which {user} registers a security key, valid for {lifetime}.")))
    }

    /// With a code for the person who taps, an administrator could register their own key and tap it.
    fn is_always_confirmed(call: &Call, target: &Self::Target) -> bool {
        call.verifier().config().admin_api.is_confirming(&target.user)
    }
}

impl Confirmed for api::RevokeSecurityKey {
    async fn describe(call: &Call, target: &mut Self::Target, input: &Self::Input) -> Described {
        let id = target.key;
        let key = call.store.security_key(id).await?.filter(|key| key.revoked_at.is_none());
        let key = key.ok_or_else(|| {
            AdminProblem::Unknown.because(format!("There is no key {id} that is valid; see `user keys`."))
        })?;
        let reason = because(&input.reason);
        Ok(Some(format!("Revoke security key {id}, {:?} of {}.{reason}", key.name, key.user_name)))
    }
}

impl Confirmed for api::DisableClient {
    async fn describe(call: &Call, target: &mut Self::Target, _: &Self::Input) -> Described {
        let client = clients::find(call, &target.client).await?;
        Ok(Some(format!("Disable application {:?} ({}).", client.name, client.id)))
    }
}

impl Confirmed for api::RotateSigningKey {
    async fn describe(_: &Call, _: &mut Self::Target, input: &Self::Input) -> Described {
        let (signs, delay) = (signs(input.tokens), duration(input.delay));
        let force = if input.force { " This may be before others know it." } else { "" };
        Ok(Some(format!("Announce a new key that signs {signs}, in {delay}.{force}")))
    }
}

impl Confirmed for api::ReplaceSigningKey {
    async fn describe(_: &Call, _: &mut Self::Target, input: &Self::Input) -> Described {
        let result = if input.tokens { "" } else { " Every device must enrol again." };
        Ok(Some(format!(
            "Replace the key that signs {} at once, as compromised.{result}",
            signs(input.tokens)
        )))
    }
}

impl Confirmed for api::WithdrawSigningKey {
    async fn describe(call: &Call, _: &mut Self::Target, input: &Self::Input) -> Described {
        maintenance::check_known_key(call, input).await?;
        Ok(Some(format!("Withdraw key {}, which signs {}.", input.kid, signs(input.tokens))))
    }
}

impl Confirmed for api::RotateAuditKey {
    async fn describe(_: &Call, _: &mut Self::Target, input: &Self::Input) -> Described {
        Ok(Some(format!("Announce a new key for the audit log's checkpoints, in {}.", duration(input.delay))))
    }
}

impl Confirmed for api::ReplaceAuditKey {
    async fn describe(_: &Call, _: &mut Self::Target, _: &Self::Input) -> Described {
        Ok(Some("Replace the key for the audit log's checkpoints at once, as compromised.".to_owned()))
    }
}

impl Confirmed for api::PruneAudit {
    async fn describe(call: &Call, _: &mut <Self as Operation>::Target, input: &Self::Input) -> Described {
        if input.dry_run {
            return Ok(None);
        }
        let counts = call.verifier().audit.count_prunable(call.now).await?;
        let entries: u64 = counts.iter().map(|(_, count)| count).sum();
        Ok(Some(format!(
            "Remove from the audit log what is kept no longer: the content of {entries} entries."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 s"), (90, "90 s"), (900, "15 min"), (7200, "2 h"), (604_800, "7 d"), (86_401, "86401 s")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
