//! Step-ups and their results. Functions that take a connection run in the caller's transaction.

use super::{Store, StoreError, event, signed, unsigned};
use crate::appraisal::step_up::Health;
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, Sqlite, SqliteConnection};
use vitalsign_protocol::id::{Digest, EnrolmentId, Nonce, StepUpId};
use vitalsign_protocol::step_up::{Acr, StepUpClosed, StepUpRequested, StepUpResult, event as names};

/// Time in seconds after its end for which a device can still fetch a step-up's result.
const TOLD_SECONDS: u64 = 60;

#[derive(Clone, Debug)]
pub(crate) struct StepUp {
    pub(crate) id: StepUpId,
    pub(crate) client: String,
    /// `None` if the requested user does not exist.
    pub(crate) user: Option<i64>,
    pub(crate) login_hint: String,
    pub(crate) acr: Acr,
    pub(crate) transaction: String,
    pub(crate) expires: u64,
    pub(crate) ended: Option<StepUpResult>,
    /// Names of the device's failed checks, if it did not meet the level.
    pub(crate) reasons: Vec<String>,
    pub(crate) approval: Option<String>,
    pub(crate) redeemed: bool,
}

/// A step-up at one device.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) nonce: Nonce,
    pub(crate) answered: Option<Answered>,
    pub(crate) ended: Option<StepUpResult>,
    /// SHA-256 of the assertion that ended it.
    pub(crate) assertion: Option<Digest>,
}

/// Evidence that was accepted for an offer.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) evidence: Vec<u8>,
    pub(crate) random: Nonce,
    pub(crate) ear: String,
    pub(crate) health: Health,
    pub(crate) generation: i64,
    /// SHA-256 of the evidence of the device's last report at that time.
    pub(crate) last_report: Digest,
    /// Audit entry of the tap with a PIN on which the assertion may rest.
    pub(crate) rests_on: Option<u64>,
}

impl StepUp {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let broken = || StoreError::Failed("a step-up cannot be read".into());
        Ok(Self {
            id: StepUpId::from_slice(row.try_get("id")?).ok_or_else(broken)?,
            client: row.try_get("client")?,
            user: row.try_get("user")?,
            login_hint: row.try_get("login_hint")?,
            acr: Acr::from_urn(row.try_get("acr")?).ok_or_else(broken)?,
            transaction: row.try_get("transaction_text")?,
            expires: unsigned(row.try_get("expires")?),
            ended: end_of(row.try_get("ended")?)?,
            reasons: reasons_of(row)?,
            approval: row.try_get("approval")?,
            redeemed: row.try_get::<Option<i64>, _>("redeemed_at")?.is_some(),
        })
    }
}

impl Offer {
    fn from_row(row: &SqliteRow) -> Result<Self, StoreError> {
        let broken = || StoreError::Failed("an offer of a step-up cannot be read".into());
        let answered = match row.try_get::<Option<Vec<u8>>, _>("evidence")? {
            None => None,
            Some(evidence) => Some(Answered {
                evidence,
                random: Nonce::from_slice(row.try_get("random")?).ok_or_else(broken)?,
                ear: row.try_get("ear")?,
                health: serde_json::from_str(row.try_get("health")?).map_err(|_| broken())?,
                generation: row.try_get("generation")?,
                last_report: Digest::from_slice(row.try_get("last_report")?).ok_or_else(broken)?,
                rests_on: row.try_get::<Option<i64>, _>("rests_on")?.map(unsigned),
            }),
        };
        let assertion: Option<&[u8]> = row.try_get("assertion")?;
        Ok(Self {
            nonce: Nonce::from_slice(row.try_get("nonce")?).ok_or_else(broken)?,
            answered,
            ended: end_of(row.try_get("ended")?)?,
            assertion: assertion.map(|digest| Digest::from_slice(digest).ok_or_else(broken)).transpose()?,
        })
    }
}

/// Parses the stored reasons of a refusal.
pub(super) fn reasons_of(row: &SqliteRow) -> Result<Vec<String>, StoreError> {
    let reasons: Option<&str> = row.try_get("reasons")?;
    let broken = |_| StoreError::Failed("the reasons of a step-up's end cannot be read".into());
    reasons.map_or_else(|| Ok(Vec::new()), |reasons| serde_json::from_str(reasons).map_err(broken))
}

fn end_of(name: Option<&str>) -> Result<Option<StepUpResult>, StoreError> {
    let known = |name| StepUpResult::ALL.into_iter().find(|end| end.as_str() == name);
    name.map(|name| known(name).ok_or_else(|| StoreError::Failed(format!("there is no end {name:?}"))))
        .transpose()
}

#[derive(Clone, Debug)]
pub(crate) struct NewStepUp {
    pub(crate) id: StepUpId,
    /// SHA-256 of the `auth_req_id`.
    pub(crate) request: Digest,
    pub(crate) client: String,
    pub(crate) login_hint: String,
    /// The device to ask; `None` for all devices of the user.
    pub(crate) device: Option<EnrolmentId>,
    pub(crate) acr: Acr,
    pub(crate) transaction: String,
    pub(crate) created: u64,
    pub(crate) expires: u64,
}

/// Pending step-ups of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Those of one client.
    pub(crate) of_client: Pending,
    pub(crate) of_all: Pending,
}

/// A number of pending step-ups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) number: u64,
    /// Time at which the first of them expires, in seconds since 1970; 0 without any.
    pub(crate) next_expiry: u64,
}

/// Returns the pending step-ups of a user.
pub(crate) async fn waiting_for(
    connection: &mut SqliteConnection,
    login_hint: &str,
    client: &str,
    now: u64,
) -> Result<Waiting, StoreError> {
    let query = sqlx::query(
        "SELECT count(*) FILTER (WHERE client = ?2), coalesce(min(expires) FILTER (WHERE client = ?2), 0),
           count(*), coalesce(min(expires), 0)
         FROM step_ups WHERE login_hint = ?1 AND ended IS NULL AND expires > ?3",
    );
    let row = query.bind(login_hint).bind(client).bind(signed(now)).fetch_one(connection).await?;
    let pending = |place: usize| {
        let (number, next_expiry) = (row.try_get(place)?, row.try_get(place + 1)?);
        Ok::<_, StoreError>(Pending { number: unsigned(number), next_expiry: unsigned(next_expiry) })
    };
    Ok(Waiting { of_client: pending(0)?, of_all: pending(2)? })
}

/// Times at which a user last refused a client, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusals {
    pub(crate) declined: Option<u64>,
    /// The user said that they had not started the request.
    pub(crate) not_mine: Option<u64>,
}

/// Returns when a user last refused a client, as long as the step-ups are kept.
pub(crate) async fn refusals(
    connection: &mut SqliteConnection,
    login_hint: &str,
    client: &str,
) -> Result<Refusals, StoreError> {
    let query = sqlx::query(
        "SELECT max(ended_at) FILTER (WHERE ended = 'declined'), max(ended_at) FILTER (WHERE ended = 'not-mine')
         FROM step_ups WHERE login_hint = ?1 AND client = ?2 AND ended IN ('declined', 'not-mine')",
    );
    let row = query.bind(login_hint).bind(client).fetch_one(connection).await?;
    let time = |place: usize| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(place)?.map(unsigned));
    Ok(Refusals { declined: time(0)?, not_mine: time(1)? })
}

/// Creates a step-up with an offer and an event for each device. Returns those devices.
pub(crate) async fn begin(
    connection: &mut SqliteConnection,
    new: &NewStepUp,
) -> Result<Vec<i64>, StoreError> {
    let query = sqlx::query("SELECT id FROM users WHERE name = ?1 AND disabled_at IS NULL");
    let user = query.bind(&new.login_hint).fetch_optional(&mut *connection).await?;
    let user: Option<i64> = user.map(|row| row.try_get(0)).transpose()?;
    let insert = sqlx::query(
        "INSERT INTO step_ups (id, request, client, user, login_hint, acr, transaction_text, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    );
    let insert = insert.bind(new.id.as_bytes()).bind(new.request.as_bytes()).bind(&new.client).bind(user);
    let insert = insert.bind(&new.login_hint).bind(new.acr.urn()).bind(&new.transaction);
    insert.bind(signed(new.created)).bind(signed(new.expires)).execute(&mut *connection).await?;
    let Some(user) = user else { return Ok(Vec::new()) };

    let query = match &new.device {
        Some(device) => {
            let query = "SELECT id FROM devices WHERE enrolment = ?1 AND revoked_at IS NULL";
            sqlx::query(query).bind(device.as_bytes())
        }
        None => {
            let query = "SELECT id FROM user_devices JOIN devices ON id = device WHERE user = ?1 AND revoked_at IS NULL";
            sqlx::query(query).bind(user)
        }
    };
    let rows = query.fetch_all(&mut *connection).await?;
    let devices: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for device in &devices {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| StoreError::Failed("no random numbers".into()))?;
        let offer = sqlx::query("INSERT INTO offers (step_up, device, nonce) VALUES (?1, ?2, ?3)");
        let offer = offer.bind(new.id.as_bytes()).bind(device).bind(nonce.as_slice());
        offer.execute(&mut *connection).await?;
        let asked = StepUpRequested {
            transaction: new.transaction.clone(),
            nonce: Nonce(nonce),
            expires: new.expires,
            expires_seconds: new.expires.saturating_sub(new.created).into(),
        };
        let asked = serde_json::to_string(&asked).map_err(|e| StoreError::Failed(e.to_string()))?;
        event::tell(connection, *device, Some(&new.id), (names::STEP_UP, &asked), new.expires).await?;
    }
    Ok(devices)
}

/// A security key of a user.
#[derive(Clone, Debug)]
pub(crate) struct UserKey {
    pub(crate) id: i64,
    pub(crate) credential: Vec<u8>,
    pub(crate) passkey: String,
    pub(crate) model: String,
}

/// An enabled user with their security keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepUpUser {
    pub(crate) name: String,
    pub(crate) handle: Vec<u8>,
    /// Security keys that are not revoked.
    pub(crate) keys: Vec<UserKey>,
}

/// Reads an enabled user and their security keys; `None` if the user is disabled.
pub(crate) async fn person(
    connection: &mut SqliteConnection,
    user: i64,
) -> Result<Option<StepUpUser>, StoreError> {
    let query = sqlx::query("SELECT name, handle FROM users WHERE id = ?1 AND disabled_at IS NULL");
    let row = query.bind(user).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    let query = sqlx::query(
        "SELECT id, credential, passkey, model FROM security_keys WHERE user = ?1 AND revoked_at IS NULL ORDER BY id",
    );
    let rows = query.bind(user).fetch_all(connection).await?;
    let key = |row: &SqliteRow| {
        Ok::<_, StoreError>(UserKey {
            id: row.try_get("id")?,
            credential: row.try_get("credential")?,
            passkey: row.try_get("passkey")?,
            model: row.try_get("model")?,
        })
    };
    let keys = rows.iter().map(key).collect::<Result<_, _>>()?;
    Ok(Some(StepUpUser { name: row.try_get("name")?, handle: row.try_get("handle")?, keys }))
}

/// Stores a security key's new state after an assertion, which advances its signature counter.
pub(crate) async fn key_used(
    connection: &mut SqliteConnection,
    key: i64,
    passkey: &str,
    now: u64,
) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE security_keys SET passkey = ?2, last_used = ?3 WHERE id = ?1");
    query.bind(key).bind(passkey).bind(signed(now)).execute(connection).await?;
    Ok(())
}

/// A device, as read in this transaction.
#[derive(Clone, Debug)]
pub(crate) struct DeviceNow {
    pub(crate) generation: i64,
    /// SHA-256 of the evidence of its last report.
    pub(crate) last_report: Digest,
    pub(crate) health: Health,
}

/// Reads a device by row; `None` if it was revoked.
pub(crate) async fn device_now(
    connection: &mut SqliteConnection,
    device: i64,
) -> Result<Option<DeviceNow>, StoreError> {
    let query = sqlx::query(
        "SELECT generation, evidence, status, standing FROM devices JOIN identities ON device = id
         WHERE id = ?1 AND revoked_at IS NULL",
    );
    let Some(row) = query.bind(device).fetch_optional(connection).await? else { return Ok(None) };
    let broken = || StoreError::Failed("what is remembered of the device cannot be read".into());
    let standing = serde_json::from_str(row.try_get("standing")?).map_err(|_| broken())?;
    let status: &str = row.try_get("status")?;
    let status = serde_json::from_value(status.into()).map_err(|_| broken())?;
    Ok(Some(DeviceNow {
        generation: row.try_get("generation")?,
        last_report: Digest::from_slice(row.try_get("evidence")?).ok_or_else(broken)?,
        health: Health::last_reported(status, &standing),
    }))
}

/// Stores the evidence that a device sent. Returns `false` if the step-up or this offer has ended.
pub(crate) async fn answer(
    connection: &mut SqliteConnection,
    step_up: &StepUpId,
    device: i64,
    answered: &Answered,
    now: u64,
) -> Result<bool, StoreError> {
    let health = serde_json::to_string(&answered.health).map_err(|e| StoreError::Failed(e.to_string()))?;
    let query = sqlx::query(
        "UPDATE offers SET evidence = ?3, random = ?4, ear = ?5, health = ?6, generation = ?7, last_report = ?8,
           evidence_at = ?9, rests_on = ?10
         WHERE step_up = ?1 AND device = ?2 AND ended IS NULL
           AND EXISTS (SELECT 1 FROM step_ups WHERE id = ?1 AND ended IS NULL AND expires > ?9)",
    );
    let query = query.bind(step_up.as_bytes()).bind(device).bind(&answered.evidence);
    let query = query.bind(answered.random.as_bytes()).bind(&answered.ear).bind(health);
    let query = query.bind(answered.generation).bind(answered.last_report.as_bytes()).bind(signed(now));
    let query = query.bind(answered.rests_on.map(signed));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Stores an approval, from which the tokens are issued. The caller must also end the step-up.
pub(crate) async fn approve(
    connection: &mut SqliteConnection,
    step_up: &StepUpId,
    approval: &str,
) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE step_ups SET approval = ?2 WHERE id = ?1 AND ended IS NULL");
    query.bind(step_up.as_bytes()).bind(approval).execute(connection).await?;
    Ok(())
}

/// Marks an approval as redeemed, and replaces it by one that names the tokens. Returns `false` if it already was.
pub(crate) async fn redeem(
    connection: &mut SqliteConnection,
    step_up: &StepUpId,
    approval: &str,
    now: u64,
) -> Result<bool, StoreError> {
    let query = sqlx::query(
        "UPDATE step_ups SET redeemed_at = ?2, approval = ?3
         WHERE id = ?1 AND redeemed_at IS NULL AND ended = 'approved'",
    );
    let query = query.bind(step_up.as_bytes()).bind(signed(now)).bind(approval);
    let done = query.execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Look-up key of a step-up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    Id(&'a StepUpId),
    /// The client, and SHA-256 of the `auth_req_id`.
    Request(&'a str, &'a Digest),
}

/// Reads a step-up; `None` if the key matches none.
pub(crate) async fn find<'c>(
    connection: impl Executor<'c, Database = Sqlite>,
    by: By<'_>,
) -> Result<Option<StepUp>, StoreError> {
    let query = match by {
        By::Id(id) => sqlx::query("SELECT * FROM step_ups WHERE id = ?1").bind(id.as_bytes()),
        By::Request(client, request) => {
            let query = sqlx::query("SELECT * FROM step_ups WHERE request = ?1 AND client = ?2");
            query.bind(request.as_bytes()).bind(client)
        }
    };
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(StepUp::from_row).transpose()
}

/// Reads the offer of a step-up to a device, if there is one.
pub(crate) async fn offer<'c>(
    connection: impl Executor<'c, Database = Sqlite>,
    step_up: &StepUpId,
    device: i64,
) -> Result<Option<Offer>, StoreError> {
    let query = sqlx::query("SELECT * FROM offers WHERE step_up = ?1 AND device = ?2");
    let row = query.bind(step_up.as_bytes()).bind(device).fetch_optional(connection).await?;
    row.as_ref().map(Offer::from_row).transpose()
}

/// Returns the devices at which a step-up is pending.
pub(crate) async fn waiting(
    connection: &mut SqliteConnection,
    step_up: &StepUpId,
) -> Result<Vec<i64>, StoreError> {
    let query = sqlx::query("SELECT device FROM offers WHERE step_up = ?1 AND ended IS NULL");
    let rows = query.bind(step_up.as_bytes()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Ends a step-up at one device; it stays pending at the others.
pub(crate) async fn end_offer(
    connection: &mut SqliteConnection,
    step_up: &StepUpId,
    device: i64,
    end: StepUpResult,
    assertion: Option<&Digest>,
) -> Result<(), StoreError> {
    let query =
        sqlx::query("UPDATE offers SET ended = ?3, assertion = ?4 WHERE step_up = ?1 AND device = ?2");
    let query = query.bind(step_up.as_bytes()).bind(device).bind(end.as_str());
    query.bind(assertion.map(Digest::as_bytes)).execute(connection).await?;
    Ok(())
}

/// Ends a step-up with an event to each device at which it is pending, and returns those devices. `reasons` are for
/// the application.
pub(crate) async fn end(
    connection: &mut SqliteConnection,
    step_up: &StepUp,
    (end, reasons): (StepUpResult, &[String]),
    now: u64,
) -> Result<Vec<i64>, StoreError> {
    let id = step_up.id.as_bytes();
    let reasons = (!reasons.is_empty()).then(|| super::json_rows(&reasons)).transpose()?;
    let query = sqlx::query(
        "UPDATE step_ups SET ended = ?2, ended_at = ?3, reasons = ?4 WHERE id = ?1 AND ended IS NULL",
    );
    query.bind(id).bind(end.as_str()).bind(signed(now)).bind(reasons).execute(&mut *connection).await?;
    event::forget(connection, &step_up.id).await?;
    let told = waiting(connection, &step_up.id).await?;
    // A device's own result is shown only there: to the others the step-up was answered elsewhere.
    let elsewhere = match end {
        StepUpResult::TimedOut | StepUpResult::NoDevice | StepUpResult::Cancelled => end,
        _ => StepUpResult::Superseded,
    };
    let data = serde_json::to_string(&StepUpClosed { step_up: step_up.id, end: elsewhere })
        .map_err(|e| StoreError::Failed(e.to_string()))?;
    for device in &told {
        let until = step_up.expires.max(now).saturating_add(TOLD_SECONDS);
        event::tell(connection, *device, Some(&step_up.id), (names::STEP_UP_ENDED, &data), until).await?;
    }
    let query = sqlx::query("UPDATE offers SET ended = ?2 WHERE step_up = ?1 AND ended IS NULL");
    query.bind(id).bind(elsewhere.as_str()).execute(connection).await?;
    Ok(told)
}

impl Store {
    /// Returns pending step-ups that have expired.
    pub(crate) async fn step_ups_expired(&self, now: u64, limit: u32) -> Result<Vec<StepUpId>, StoreError> {
        let query = sqlx::query("SELECT id FROM step_ups WHERE ended IS NULL AND expires <= ?1 LIMIT ?2");
        let rows = query.bind(signed(now)).bind(limit).fetch_all(self.readers()).await?;
        rows.iter().map(id_of).collect()
    }

    /// Returns pending step-ups that began at `begun` or earlier and for which no device has sent evidence, each with
    /// its start time and its devices.
    pub(crate) async fn step_ups_unanswered(
        &self,
        begun: u64,
    ) -> Result<Vec<(StepUpId, u64, Vec<i64>)>, StoreError> {
        let query = sqlx::query(
            "SELECT id, created, (SELECT json_group_array(device) FROM offers WHERE step_up = id) AS devices
             FROM step_ups WHERE ended IS NULL AND created <= ?1
             AND NOT EXISTS (SELECT 1 FROM offers WHERE step_up = id AND evidence IS NOT NULL)",
        );
        let rows = query.bind(signed(begun)).fetch_all(self.readers()).await?;
        let broken = |_| StoreError::Failed("the devices of a step-up cannot be read".into());
        let parse = |row: &SqliteRow| {
            let devices = serde_json::from_str(row.try_get("devices")?).map_err(broken)?;
            Ok((id_of(row)?, unsigned(row.try_get("created")?), devices))
        };
        rows.iter().map(parse).collect()
    }

    /// Deletes expired events and identifiers of assertions, and step-ups that expired before `before`. The audit log keeps
    /// the record of step-ups.
    pub(crate) async fn forget_expired(&self, now: u64, before: u64) -> Result<(), StoreError> {
        let mut transaction = self.begin_unsynced().await?;
        for statement in [
            "DELETE FROM events WHERE expires <= ?1",
            "DELETE FROM used_jtis WHERE expires < ?1",
            "DELETE FROM offers WHERE step_up IN (SELECT id FROM step_ups WHERE ended IS NOT NULL AND expires < ?2)",
            "DELETE FROM step_ups WHERE ended IS NOT NULL AND expires < ?2",
        ] {
            let query = sqlx::query(statement).bind(signed(now)).bind(signed(before));
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

fn id_of(row: &SqliteRow) -> Result<StepUpId, StoreError> {
    let id = StepUpId::from_slice(row.try_get("id")?);
    id.ok_or_else(|| StoreError::Failed("a step-up's name cannot be read".into()))
}
