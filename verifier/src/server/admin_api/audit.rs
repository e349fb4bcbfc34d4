//! The audit log.

use super::answer::Call;
use super::devices::find;
use crate::admin_api::{
    AdminProblem, AuditKeyRotation, AuditKeys, AuditPage, AuditQuery, ConsistencyAnswer, EntryRef,
    EntryTarget, EntryView, ExportedEntry, Leaves, LeavesTarget, Note, Nothing, Pruned, Pruning, Tile,
    TileQuery, TileTarget, Verification, VerificationQuery, VerifiedView,
};
use crate::audit::checkpoint::Cosigned;
use crate::audit::tree::TILE_WIDTH;
use crate::audit::{Head, Kind};
use crate::audit_log::CheckpointError;
use crate::config::AuditSettings;
use crate::store::audit::AuditFilter;
use vitalsign_protocol::id::Base64Url;
use vitalsign_protocol::problem::Problem;

/// Entries that are listed at once.
const MAX_ENTRIES: u32 = 1000;
const ENTRIES: u32 = 100;

fn refused(error: CheckpointError) -> Problem {
    match error {
        CheckpointError::Store(error) => error.into(),
        error => AdminProblem::Conflict.because(error.to_string()),
    }
}

pub(super) async fn list(call: Call, _: Nothing, query: AuditQuery) -> Result<AuditPage, Problem> {
    let AuditQuery { kind, device, user, client, since, until, after, before, alerts, count, limit } = query;
    let kind = match kind {
        None => None,
        Some(name) => {
            let kind = Kind::named(&name);
            Some(kind.ok_or_else(|| {
                AdminProblem::Invalid.because(format!("There is no kind {name} of entries."))
            })?)
        }
    };
    let device = match &device {
        None => None,
        Some(device) => Some(find(&call.store, device).await?.enrolment),
    };
    // Entries have the user's own name. One who was deleted is in them, too.
    let user = match user {
        None => None,
        Some(name) => Some(call.store.user(&name).await?.map_or(name, |user| user.name)),
    };
    let filter = AuditFilter { device, kind, user, client, since, until, after, before, alerts };
    let limit = limit.unwrap_or(ENTRIES).min(MAX_ENTRIES);
    let entries = match after {
        Some(_) => call.store.oldest_audit(&filter, limit).await?,
        None => call.store.newest_audit(&filter, limit).await?,
    };
    let all = if count { Some(call.store.count_audit(&filter).await?) } else { None };
    Ok(AuditPage { entries: entries.into_iter().map(EntryView::from).collect(), all })
}

pub(super) async fn show_keys(call: Call, _: Nothing, _: Nothing) -> Result<AuditKeys, Problem> {
    Ok(keys(&call))
}

fn keys(call: &Call) -> AuditKeys {
    let log = &call.verifier().audit;
    let witnesses = log.settings().witnesses.iter().map(ToString::to_string).collect();
    let keys = log.keys();
    let signing = keys.signing().into_iter().map(ToString::to_string).collect();
    AuditKeys { log: signing, known: keys.known().iter().map(ToString::to_string).collect(), witnesses }
}

pub(super) async fn rotate_key(
    call: Call,
    _: Nothing,
    rotation: AuditKeyRotation,
) -> Result<AuditKeys, Problem> {
    let begins = call.now.saturating_add(rotation.delay);
    call.verifier().audit.rotate_key(&call.keyring(), call.now, begins).await.map_err(refused)?;
    Ok(keys(&call))
}

pub(super) async fn replace_key(call: Call, _: Nothing, _: Nothing) -> Result<AuditKeys, Problem> {
    call.verifier().audit.replace_key(&call.keyring(), call.now).await.map_err(refused)?;
    Ok(keys(&call))
}

pub(super) async fn verify(
    call: Call,
    _: Nothing,
    query: VerificationQuery,
) -> Result<Verification, Problem> {
    let anchor = match query.anchor.as_deref().map(str::parse::<Head>) {
        None => None,
        Some(Ok(anchor)) => Some(anchor),
        Some(Err(why)) => {
            return Err(AdminProblem::Invalid.because(format!("The anchor cannot be used: {why}.")));
        }
    };
    let _turn = call.verification()?;
    Ok(match call.verifier().audit.verify(anchor).await? {
        Ok(log) => Verification { broken: None, verified: Some(VerifiedView::from(log)) },
        Err(broken) => Verification { broken: Some(broken.to_string()), verified: None },
    })
}

pub(super) async fn export(call: Call, target: EntryTarget, _: Nothing) -> Result<ExportedEntry, Problem> {
    let seq = match &target.entry {
        EntryRef::Seq(seq) => *seq,
        EntryRef::StepUp(step_up) => call.store.audit_of_step_up(step_up).await?.ok_or_else(|| {
            AdminProblem::Unknown
                .because(format!("No step-up {step_up} was approved, or its entry was pruned."))
        })?,
    };
    let exported = call.verifier().audit.export(seq, call.now).await.map_err(refused)?;
    exported
        .map(ExportedEntry)
        .ok_or_else(|| AdminProblem::Unknown.because(format!("The audit log has no entry {seq}.")))
}

pub(super) async fn sign_checkpoint(call: Call, _: Nothing, _: Nothing) -> Result<Note, Problem> {
    let note = call.verifier().audit.checkpoint(call.now).await.map_err(refused)?;
    Ok(Note { note: note.to_string() })
}

pub(super) async fn prove_consistency(
    call: Call,
    _: Nothing,
    old: Note,
) -> Result<ConsistencyAnswer, Problem> {
    let old = old.note.parse().map_err(|error: crate::audit::note::NoteError| refused(error.into()))?;
    let proof = call.verifier().audit.consistency(&old, call.now).await.map_err(refused)?;
    Ok(ConsistencyAnswer(proof))
}

pub(super) async fn add_cosignatures(call: Call, _: Nothing, note: Note) -> Result<Vec<Cosigned>, Problem> {
    let note = note.note.parse().map_err(|error: crate::audit::note::NoteError| refused(error.into()))?;
    let cosigned = call.verifier().audit.add_cosignatures(&note).await.map_err(refused)?;
    if cosigned.is_empty() {
        return Err(AdminProblem::Conflict
            .because("No witness of [audit] witnesses in the configuration has cosigned this checkpoint."));
    }
    Ok(cosigned)
}

fn width(query: TileQuery) -> Result<u64, Problem> {
    let good = (1..=TILE_WIDTH).contains(&query.width);
    if good {
        Ok(query.width)
    } else {
        Err(AdminProblem::Invalid.because(format!("A tile is 1 to {TILE_WIDTH} wide.")))
    }
}

pub(super) async fn show_tile(call: Call, target: TileTarget, query: TileQuery) -> Result<Tile, Problem> {
    let hashes = call.store.audit_tile(target.level, target.number, width(query)?).await?;
    Ok(Tile { hashes })
}

pub(super) async fn list_leaves(
    call: Call,
    target: LeavesTarget,
    query: TileQuery,
) -> Result<Leaves, Problem> {
    let leaves = call.store.audit_leaves(target.number, width(query)?).await?;
    Ok(Leaves { leaves: leaves.into_iter().map(Base64Url).collect() })
}

pub(super) async fn prune(call: Call, _: Nothing, pruning: Pruning) -> Result<Pruned, Problem> {
    let log = &call.verifier().audit;
    let payloads = match pruning.dry_run {
        true => log.count_prunable(call.now).await?,
        false => log.prune(&call.store, call.now).await?,
    };
    let retention = log.settings().retention.iter();
    let short = retention.filter(|(_, days)| **days < AuditSettings::SIX_YEARS);
    Ok(Pruned::of(payloads, short.map(|(kind, days)| (kind.clone(), *days)).collect()))
}
