//! Accepted authenticator models: those in a FIDO metadata file (FIDO Metadata Service 3.1, section 3.1) that
//! an administrator provides, restricted to an allow-list if there is one.

mod obstacle;
mod signed;

pub use obstacle::Obstacle;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;
use vitalsign_protocol::calendar::{DAY, parse_date};
use vitalsign_x509::{Anchors, Certificate, MAX_CERTIFICATE_BYTES};

/// More bytes than a metadata file has: the FIDO Alliance's has about 10 MB.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The name of a model of security key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aaguid(pub [u8; 16]);

/// The text is not the name of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an AAGUID: 32 hexadecimal digits with dashes were expected")]
pub struct NotAnAaguid;

impl std::fmt::Display for Aaguid {
    /// Formats as hexadecimal with dashes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(Uuid::from_bytes(self.0).hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}
impl std::str::FromStr for Aaguid {
    type Err = NotAnAaguid;
    fn from_str(text: &str) -> Result<Self, NotAnAaguid> {
        Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| NotAnAaguid)
    }
}
impl Serialize for Aaguid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Aaguid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Metadata of an accepted model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Model name from the FIDO metadata.
    pub name: String,
    /// The keys are protected by hardware (`keyProtection`).
    pub hardware: bool,
    /// It is carried from device to device, and is no part of one (`attachmentHint`).
    pub roaming: bool,
}

/// Status of a model at a given time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelStatus {
    /// It is on the list.
    Accepted(Model),
    /// It is not on the list, not on the administrator's allow-list, or there is no list.
    Unknown,
    /// It is on the list, and a report says that it is not to be relied on any more.
    Withdrawn {
        /// Model name from the FIDO metadata.
        model: String,
        /// The report: `REVOKED`, `USER_VERIFICATION_BYPASS`, …
        status: String,
    },
    /// It is on the list, and the list is too old to be relied on: a newer one was due.
    ListExpired {
        /// Model name from the FIDO metadata.
        model: String,
    },
}

/// A metadata file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// It could not be read.
    #[error("reading {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is longer than is read.
    #[error("{0} is longer than the {MAX_FILE_BYTES} bytes that are read")]
    TooLarge(PathBuf),
    /// It is no metadata file.
    #[error("{0} is no FIDO metadata file: {1}")]
    Malformed(PathBuf, String),
    /// The file is signed, and the signature is invalid.
    #[error("the signature of the metadata file {0} is invalid: {1}")]
    Signature(PathBuf, String),
}

/// The models that are accepted.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// Time at which the next list is due, in seconds since 1970.
    due: u64,
    entries: BTreeMap<Aaguid, MetadataEntry>,
    /// Number of entries without an AAGUID: authenticators of the older protocols U2F and UAF.
    older_protocols: usize,
}

#[derive(Clone, Debug)]
struct MetadataEntry {
    model: Model,
    /// Trust anchors of its attestations: certificates of CAs, or attestation certificates themselves.
    anchors: Anchors,
    /// Another entry lists one of these certificates too, so that only the AAGUID in the attestation certificate tells
    /// the models apart.
    shares_anchor: bool,
    /// The model attests with a certificate (`attestationTypes`), not only with the credential's own key.
    certified: bool,
    /// Reasons for withdrawal, each with its date.
    withdrawn: Vec<(String, u64)>,
}

impl Models {
    /// None: no security key can be registered.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a metadata file: the FIDO Alliance's signed list (JWT) if `roots` (PEM) contains the root of its
    /// signer's certificate chain, or the payload (JSON), which the administrator vouches for. Accepts the
    /// models in `allowed`; all models if it is `None`.
    pub fn load(
        metadata: &Path,
        roots: Option<&Path>,
        allowed: Option<&[Aaguid]>,
        now: u64,
    ) -> Result<Self, ModelsError> {
        let bytes = read(metadata)?;
        let payload = if bytes.trim_ascii_start().starts_with(b"{") {
            bytes
        } else {
            let roots = roots.map(read).transpose()?.unwrap_or_default();
            signed::payload(bytes.trim_ascii(), &roots, now)
                .map_err(|why| ModelsError::Signature(metadata.to_owned(), why))?
        };
        let mut models =
            Self::parse(&payload).map_err(|why| ModelsError::Malformed(metadata.to_owned(), why))?;
        if let Some(allowed) = allowed {
            let allowed: BTreeSet<_> = allowed.iter().collect();
            models.entries.retain(|aaguid, _| allowed.contains(aaguid));
        }
        Ok(models)
    }

    /// Returns the number of accepted models.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no model is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether the next list was due before `now`. No key can be registered until it is loaded.
    #[must_use]
    pub fn expired(&self, now: u64) -> bool {
        now >= self.due
    }

    /// Returns when the next list is due, in seconds since 1970.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.due
    }

    /// Returns the AAGUIDs of the accepted models.
    pub fn aaguids(&self) -> impl Iterator<Item = &Aaguid> {
        self.entries.keys()
    }

    /// Returns the status of a model at `now`.
    #[must_use]
    pub fn of(&self, aaguid: &Aaguid, now: u64) -> ModelStatus {
        let Some(entry) = self.entries.get(aaguid) else { return ModelStatus::Unknown };
        let model = entry.model.name.clone();
        if let Some((status, _)) = entry.withdrawn.iter().find(|(_, since)| *since <= now) {
            return ModelStatus::Withdrawn { model, status: status.clone() };
        }
        if self.expired(now) {
            return ModelStatus::ListExpired { model };
        }
        ModelStatus::Accepted(entry.model.clone())
    }

    /// Returns the number of listed authenticators of the older protocols U2F and UAF, which have no AAGUID and cannot
    /// be registered.
    #[must_use]
    pub fn older_protocols(&self) -> usize {
        self.older_protocols
    }

    /// Returns why keys of an accepted model cannot be registered at `now`, if that is so for all of them.
    #[must_use]
    pub fn obstacle(&self, aaguid: &Aaguid, now: u64) -> Option<Obstacle> {
        self.entries.get(aaguid).and_then(|entry| obstacle::of(entry, now))
    }

    /// Returns the number of models that can be registered at `now`, and of those that cannot by reason.
    #[must_use]
    pub fn registrable(&self, now: u64) -> (usize, BTreeMap<Obstacle, usize>) {
        let mut obstacles = BTreeMap::new();
        let mut usable = 0;
        for (aaguid, entry) in &self.entries {
            match (self.of(aaguid, now), obstacle::of(entry, now)) {
                (ModelStatus::Accepted(_), None) => usable += 1,
                (ModelStatus::Accepted(_), Some(obstacle)) => *obstacles.entry(obstacle).or_default() += 1,
                _ => {}
            }
        }
        (usable, obstacles)
    }

    /// Returns the trust anchors of a model's attestations, and whether other models share one of them.
    pub(crate) fn anchors(&self, aaguid: &Aaguid) -> Option<(&Anchors, bool)> {
        self.entries.get(aaguid).map(|entry| (&entry.anchors, entry.shares_anchor))
    }

    fn parse(payload: &[u8]) -> Result<Self, String> {
        let payload: Payload = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let due = parse_date(&payload.next_update).ok_or("nextUpdate is not a date")?;
        let mut entries = BTreeMap::new();
        let mut older_protocols = 0;
        for entry in payload.entries {
            if entry.get("aaguid").is_none() {
                older_protocols += 1;
                continue;
            }
            match Listed::deserialize(&entry).map_err(|error| error.to_string()).and_then(Listed::entry) {
                Ok((aaguid, entry)) => {
                    entries.insert(aaguid, entry);
                }
                // Left out is not accepted.
                Err(why) => {
                    tracing::warn!(aaguid = ?entry.get("aaguid"), why, "an entry of the metadata is left out")
                }
            }
        }
        mark_shared(&mut entries);
        // On the day itself the next list may not be there yet.
        Ok(Self { due: due + DAY, entries, older_protocols })
    }
}

/// Metadata BLOB payload (section 3.1.6).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    next_update: String,
    entries: Vec<Value>,
}

/// Metadata BLOB payload entry (section 3.1.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    aaguid: Aaguid,
    metadata_statement: Statement,
    status_reports: Vec<StatusReport>,
}

/// MetadataStatement (FIDO Metadata Statement 3.1, section 4).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    description: String,
    attestation_root_certificates: Vec<String>,
    #[serde(default)]
    key_protection: Vec<String>,
    #[serde(default)]
    attachment_hint: Vec<String>,
    #[serde(default)]
    attestation_types: Vec<String>,
}

/// Status report of a model (section 3.1.3).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport {
    status: String,
    effective_date: Option<String>,
}

impl Listed {
    fn entry(self) -> Result<(Aaguid, MetadataEntry), String> {
        let Statement {
            description,
            attestation_root_certificates,
            key_protection,
            attachment_hint,
            attestation_types,
        } = self.metadata_statement;
        let mut roots = Vec::new();
        for text in attestation_root_certificates {
            let text: String = text.split_ascii_whitespace().collect();
            let der = STANDARD.decode(text).map_err(|_| "an attestation root is not base64")?;
            if der.len() > MAX_CERTIFICATE_BYTES {
                return Err("an attestation root is too long".into());
            }
            match Certificate::parse(&der, "an attestation root") {
                Ok(root) => roots.push(root),
                // The model may have others.
                Err(error) => {
                    tracing::warn!(aaguid = %self.aaguid, %error, "a root of the metadata is left out")
                }
            }
        }
        let withdrawn = (self.status_reports.into_iter())
            .filter(|report| withdraws(&report.status))
            // A status without a readable date applies at once.
            .map(|report| (report.status, report.effective_date.as_deref().and_then(parse_date).unwrap_or(0)))
            .collect();
        let has = |list: &[String], wanted: &[&str]| list.iter().any(|it| wanted.contains(&it.as_str()));
        let model = Model {
            name: description,
            hardware: has(&key_protection, &["hardware", "secure_element"]),
            roaming: has(&attachment_hint, &["external", "wired", "wireless", "nfc", "bluetooth"]),
        };
        // AttestationTypes of the FIDO Registry of Predefined Values, section 3.6.3. Lists of earlier versions have numbers.
        let certified = attestation_types.is_empty()
            || !attestation_types.iter().all(|it| it == "basic_surrogate" || it == "none");
        let anchors = Anchors::of(roots);
        Ok((self.aaguid, MetadataEntry { model, anchors, shares_anchor: false, certified, withdrawn }))
    }
}

/// Marks the models that share an anchor with another one.
fn mark_shared(entries: &mut BTreeMap<Aaguid, MetadataEntry>) {
    let mut uses: HashMap<Vec<u8>, usize> = HashMap::new();
    for entry in entries.values() {
        let listed: BTreeSet<_> = entry.anchors.roots().iter().map(Certificate::der).collect();
        listed.into_iter().for_each(|der| *uses.entry(der.to_vec()).or_default() += 1);
    }
    for entry in entries.values_mut() {
        let shared = |root: &Certificate| uses.get(root.der()).is_some_and(|count| *count > 1);
        entry.shares_anchor = entry.anchors.roots().iter().any(shared);
    }
}

/// Returns whether a status (AuthenticatorStatus, section 3.1.4) makes a model untrustworthy.
fn withdraws(status: &str) -> bool {
    status == "REVOKED" || status == "USER_VERIFICATION_BYPASS" || status.ends_with("_COMPROMISE")
}

fn read(path: &Path) -> Result<Vec<u8>, ModelsError> {
    let failed = |e| ModelsError::Read(path.to_owned(), e);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(ModelsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// A time as the certificate library has it.
fn unix_time(now: u64) -> rustls_pki_types::UnixTime {
    rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aaguids_read_what_they_write() {
        let text = "5f0e0a1c-de51-4a11-b7f1-d0c0ffee0001";
        assert_eq!(text.parse::<Aaguid>().unwrap().to_string(), text);
        assert_eq!("5f0e0a1c".parse::<Aaguid>(), Err(NotAnAaguid));
    }
}
