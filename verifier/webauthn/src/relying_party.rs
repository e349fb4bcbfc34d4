//! The relying party: registers security keys and checks their assertions.

use crate::attestation_path;
use crate::authenticator_data::{self, AttestedCredential, AuthenticatorData, MAX_CREDENTIAL_ID_BYTES};
use crate::client_data::{self, CeremonyType, ClientDataError};
use crate::models::{Aaguid, ModelStatus, Models, Obstacle};
use crate::proof::{AssertionProof, ProofError, UserVerification, cose_key};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use vitalsign_protocol::id::{Base64Url, Digest};
use vitalsign_protocol::origin::Origin;
use webauthn_rs::prelude::{
    AttestationMetadata, AttestedPasskey, AttestedPasskeyAuthentication, AuthenticatorAttachment, Credential,
    PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{DEFAULT_AUTHENTICATOR_TIMEOUT, Webauthn, WebauthnBuilder};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AttestationFormat, COSEAlgorithm, CredProtect,
    CredentialProtectionPolicy, ParsedAttestationData, PublicKeyCredentialHints, RegistrationState,
    RequestRegistrationExtensions, UserVerificationPolicy,
};

/// More bytes than a credential or an assertion has as JSON.
pub const MAX_CREDENTIAL_JSON_BYTES: usize = 64 * 1024;
/// Name of the relying party, for the client.
const NAME: &str = "Vitalsign";
/// The most keys of one user.
const MAX_KEYS: usize = 64;

/// A relying party that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The origin is malformed or not suitable for security keys.
    #[error(
        "{0:?} is no origin for security keys: https://HOST or https://HOST:PORT was expected, as browsers spell it"
    )]
    Origin(String),
    /// The rpId is not the origin's host or a domain above it.
    #[error("the rpId {0:?} does not belong to the origin")]
    RpId(String),
}

/// User who owns the key.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// Random user handle for security keys.
    pub handle: [u8; 16],
    /// User name for people.
    pub name: &'a str,
}

/// A security key that was registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Credential ID of the key.
    pub credential: Vec<u8>,
    /// Public key, counter and attestation as JSON, to be stored.
    pub passkey: String,
    /// AAGUID of the model.
    pub aaguid: Aaguid,
    /// Model name from the FIDO metadata.
    pub model: String,
}

/// Reason why a security key was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// There is no list of models, so that none is accepted.
    #[error("there is no list of accepted models of security key here")]
    NoModels,
    /// A newer list is due: until then none is registered.
    #[error(
        "the list of accepted models of security key has expired: the administrator is to put a newer one in place"
    )]
    ListExpired,
    /// The model is not on the list.
    #[error("security keys of the model {0} are not accepted here")]
    ModelUnknown(Aaguid),
    /// The model was accepted once.
    #[error("security keys of the model {model:?} are not accepted any more: {status}")]
    ModelWithdrawn {
        /// Model name from the FIDO metadata.
        model: String,
        /// Reported status of the model.
        status: String,
    },
    /// No key of the model can be registered.
    #[error("security keys of the model {model:?} cannot be registered: {obstacle}")]
    Unregistrable {
        /// Model name from the FIDO metadata.
        model: String,
        /// Reason for all keys of the model.
        obstacle: Obstacle,
    },
    /// The answer cannot be read.
    #[error("the security key's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// The client data are not of this registration.
    #[error("{0}")]
    ClientData(#[from] ClientDataError),
    /// It attests nothing, or in a format that is not accepted.
    #[error("the security key does not attest its model: the format is {0:?}")]
    NotAttested(String),
    /// The attestation is invalid.
    #[error("the security key's attestation is invalid: {0}")]
    Attestation(String),
    /// The key did not verify who touched it.
    #[error("the security key did not verify who touched it")]
    UserNotVerified,
    /// The credential can be copied to other devices.
    #[error("the credential can be copied to other devices")]
    BackupEligible,
    /// It is one of those that were to be excluded.
    #[error("the credential is registered already")]
    Known,
    /// The stored state of the registration cannot be read.
    #[error("the registration's state cannot be used: {0}")]
    State(String),
}

/// Result of a valid assertion.
#[derive(Clone, Debug)]
pub struct Asserted {
    /// Credential ID of the key.
    pub credential: Vec<u8>,
    /// Updated passkey, to be stored.
    pub passkey: String,
    /// The key verified who touched it: always so, except where that was discouraged.
    pub user_verified: bool,
    /// The credential can be copied to other devices.
    pub backup_eligible: bool,
    /// AAGUID of the model.
    pub aaguid: Aaguid,
    /// Proof of the assertion, to be stored.
    pub proof: AssertionProof,
}

/// Reason why an assertion was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The user has no key that can be asked.
    #[error("there is no security key to ask")]
    NoKeys,
    /// The assertion cannot be read.
    #[error("the assertion cannot be read: {0}")]
    Malformed(&'static str),
    /// It is of a key that is not one of these.
    #[error("the assertion is of a security key that is not registered for this person")]
    UnknownKey,
    /// The client data are not about this.
    #[error("{0}")]
    ClientData(#[from] ClientDataError),
    /// The key's counter did not go on: there may be a copy of it.
    #[error("the security key's signature counter did not go on: there may be a copy of the key")]
    Counter,
    /// The assertion is invalid.
    #[error("{0}")]
    Proof(ProofError),
    /// `webauthn-rs` rejected the assertion.
    #[error("the assertion is invalid: {0}")]
    Refused(String),
    /// The stored passkey cannot be read.
    #[error("what is stored of the security key cannot be used: {0}")]
    Stored(String),
}

/// Relying party for one origin.
///
/// ```
/// use vitalsign_protocol::id::Digest;
/// use vitalsign_webauthn::testing::KeyVendor;
/// use vitalsign_webauthn::{Aaguid, RelyingParty, User, UserVerification};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (rp_id, origin) = ("verifier.example", "https://verifier.example");
/// let party = RelyingParty::new(rp_id, origin)?;
/// // A security key in software, and metadata that list its model.
/// let maker = KeyVendor::new(Aaguid([0x5f; 16]));
/// let folder = tempfile::tempdir()?;
/// let models = KeyVendor::models(&maker.metadata("2100-01-01"), folder.path());
/// let mut key = maker.key();
///
/// let user = User { handle: [3; 16], name: "nurse-7" };
/// let (options, state) = party.begin_registration(user, &[], &models, 0)?;
/// let registered = party.finish_registration(&state, &key.create(&options, origin), &models, 0)?;
/// assert_eq!(registered.model, "Test Key");
///
/// let passkeys = [registered.passkey];
/// let challenge = Digest::of(b"a transaction");
/// let options = party.request(&passkeys, &challenge, 60, UserVerification::Required)?;
/// let assertion = key.get(&options, origin).ok_or("the key has none of these credentials")?;
/// let asserted = party.verify(&passkeys, &challenge, &assertion, UserVerification::Required)?;
/// assert!(asserted.user_verified);
/// // The proof can be checked later, without the relying party.
/// assert!(asserted.proof.check(rp_id, origin, &challenge, UserVerification::Required).is_ok());
///
/// let other = Digest::of(b"another transaction");
/// assert!(party.verify(&passkeys, &other, &assertion, UserVerification::Required).is_err());
/// # Ok(())
/// # }
/// ```
pub struct RelyingParty {
    rp_id: String,
    origin: Origin,
    /// For assertions.
    webauthn: Webauthn,
    /// For registrations: its attested passkeys need certificates that not every maker has.
    core: WebauthnCore,
}

impl RelyingParty {
    /// The relying party `rp_id` at exactly `origin`.
    pub fn new(rp_id: &str, origin: &str) -> Result<Self, SetupError> {
        let bad_origin = || SetupError::Origin(origin.to_owned());
        // A browser has security keys in secure contexts only, which an origin is, and never at an IP address.
        let parsed = Origin::parse(origin).ok().filter(|it| it.domain().is_some()).ok_or_else(bad_origin)?;
        let url = Url::parse(parsed.as_str()).map_err(|_| bad_origin())?;
        let bad_id = |_| SetupError::RpId(rp_id.to_owned());
        let builder = WebauthnBuilder::new(rp_id, &url).map_err(bad_id)?;
        let webauthn = builder.rp_name(NAME).build().map_err(bad_id)?;
        // The builder above checked the rpId and the origin.
        let core = WebauthnCore::new_unsafe_experts_only(
            NAME,
            rp_id,
            vec![url],
            DEFAULT_AUTHENTICATOR_TIMEOUT,
            None,
            None,
        );
        Ok(Self { rp_id: rp_id.to_owned(), origin: parsed, webauthn, core })
    }

    /// Returns the relying party ID.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// Returns the origin of the relying party.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// Starts a registration for `user`, excluding the keys in `exclude`. Returns the client's options
    /// (PublicKeyCredentialCreationOptionsJSON) and the state to store until the client answers.
    ///
    /// # Errors
    /// No model is accepted at present.
    pub fn begin_registration(
        &self,
        user: User<'_>,
        exclude: &[Vec<u8>],
        models: &Models,
        now: u64,
    ) -> Result<(Value, String), RegistrationError> {
        if models.is_empty() {
            return Err(RegistrationError::NoModels);
        }
        if models.expired(now) {
            return Err(RegistrationError::ListExpired);
        }
        let state = |error: &dyn std::fmt::Display| RegistrationError::State(error.to_string());
        // No more is asked than is used. Not level 3 of protection, at which a client cannot see before the PIN whether the
        // credential is on this key (CTAP 2.2 section 12.1.1). Whether the user was verified is checked with each assertion.
        let extensions = RequestRegistrationExtensions {
            cred_protect: Some(CredProtect {
                credential_protection_policy:
                    CredentialProtectionPolicy::UserVerificationOptionalWithCredentialIDList,
                enforce_credential_protection_policy: Some(true),
            }),
            uvm: None,
            cred_props: None,
            min_pin_length: None,
            hmac_create_secret: None,
        };
        let builder = self.core.new_challenge_register_builder(&user.handle, user.name, user.name);
        let builder = builder
            .map_err(|error| state(&error))?
            .attestation(AttestationConveyancePreference::Direct)
            .attestation_formats(Some(vec![AttestationFormat::Packed]))
            .credential_algorithms(COSEAlgorithm::secure_algs())
            .require_resident_key(false)
            .authenticator_attachment(Some(AuthenticatorAttachment::CrossPlatform))
            .user_verification_policy(UserVerificationPolicy::Required)
            .reject_synchronised_authenticators(true)
            .exclude_credentials(Some(exclude.to_vec()))
            .hints(Some(vec![PublicKeyCredentialHints::SecurityKey]))
            .extensions(Some(extensions));
        let begun = self.core.generate_challenge_register(builder);
        let (options, registration) = begun.map_err(|error| state(&error))?;
        let options = object(options.public_key).map_err(|error| state(&error))?;
        let registration = serde_json::to_string(&registration).map_err(|error| state(&error))?;
        Ok((Value::Object(options), registration))
    }

    /// Ends a registration: checks the answer (RegistrationResponseJSON).
    pub fn finish_registration(
        &self,
        state: &str,
        credential: &Value,
        models: &Models,
        now: u64,
    ) -> Result<Registered, RegistrationError> {
        use RegistrationError::Malformed;
        let state: Value =
            serde_json::from_str(state).map_err(|e| RegistrationError::State(e.to_string()))?;
        let challenge = state.get("challenge").and_then(Value::as_str).and_then(|text| B64.decode(text).ok());
        let challenge = challenge.ok_or_else(|| RegistrationError::State("it has no challenge".into()))?;
        let answer: RegisterPublicKeyCredential = parse(credential).map_err(Malformed)?;
        is_public_key(&answer.type_, &answer.id, &answer.raw_id).map_err(Malformed)?;
        client_data::check(
            &answer.response.client_data_json,
            CeremonyType::Create,
            &challenge,
            self.origin.as_str(),
        )?;
        let attestation = authenticator_data::attestation(&answer.response.attestation_object);
        let attestation = attestation.map_err(|error| Malformed(error.0))?;
        let data = AuthenticatorData::of_registration(&attestation.authenticator_data);
        let data = data.map_err(|error| Malformed(error.0))?;
        let AttestedCredential { aaguid, id } = data.attested.ok_or(Malformed("it has no credential"))?;
        let aaguid = Aaguid(aaguid);
        if id != answer.raw_id.as_slice() {
            return Err(Malformed("it names another credential than the one that it attests"));
        }
        if attestation.format != "packed" {
            return Err(RegistrationError::NotAttested(attestation.format));
        }
        let model = match models.of(&aaguid, now) {
            ModelStatus::Accepted(model) => model.name,
            ModelStatus::Unknown => return Err(RegistrationError::ModelUnknown(aaguid)),
            ModelStatus::Withdrawn { model, status } => {
                return Err(RegistrationError::ModelWithdrawn { model, status });
            }
            ModelStatus::ListExpired { .. } => return Err(RegistrationError::ListExpired),
        };
        if let Some(obstacle) = models.obstacle(&aaguid, now) {
            return Err(RegistrationError::Unregistrable { model, obstacle });
        }
        if !data.user_verified() {
            return Err(RegistrationError::UserNotVerified);
        }
        if data.backup_eligible() {
            return Err(RegistrationError::BackupEligible);
        }
        let registration = RegistrationState::deserialize(state)
            .map_err(|error| RegistrationError::State(error.to_string()))?;
        // No anchors are given: the path is checked below.
        let stored = self.core.register_credential(&answer, &registration, None).map_err(refused)?;
        if !matches!(stored.attestation.data, ParsedAttestationData::Basic(_)) {
            return Err(RegistrationError::NotAttested("packed, by itself".into()));
        }
        attestation_path::check(&attestation.certificates, &aaguid, models, now)
            .map_err(RegistrationError::Attestation)?;
        if cose_key(&stored.cred).is_none() {
            return Err(RegistrationError::Attestation(
                "the credential's algorithm was not asked for".into(),
            ));
        }
        let credential = stored.cred_id.to_vec();
        let passkey = serde_json::to_string(&AttestedPasskey::from(stored))
            .map_err(|e| RegistrationError::State(e.to_string()))?;
        Ok(Registered { credential, passkey, aaguid, model })
    }

    /// Returns the client's options (PublicKeyCredentialRequestOptionsJSON) for an assertion over `challenge`
    /// by one of these keys.
    ///
    /// # Errors
    /// There is no key, or a stored passkey cannot be read.
    pub fn request(
        &self,
        passkeys: &[String],
        challenge: &Digest,
        timeout_seconds: u64,
        user_verification: UserVerification,
    ) -> Result<Value, AssertionError> {
        let keys = passkeys.iter().map(|passkey| stored(passkey)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(AssertionError::NoKeys);
        }
        let (options, _) = self.begin(&keys)?;
        let mut options = object(options).map_err(|error| AssertionError::Stored(error.to_string()))?;
        options.insert("challenge".into(), json!(B64.encode(challenge.as_bytes())));
        options.insert("timeout".into(), json!(timeout_seconds.saturating_mul(1000)));
        options.insert("hints".into(), json!(["security-key"]));
        options.insert("userVerification".into(), json!(policy(user_verification)));
        options.remove("extensions");
        Ok(Value::Object(options))
    }

    /// Checks an assertion (AuthenticationResponseJSON) over `challenge` by one of these keys.
    pub fn verify(
        &self,
        passkeys: &[String],
        challenge: &Digest,
        assertion: &Value,
        user_verification: UserVerification,
    ) -> Result<Asserted, AssertionError> {
        use AssertionError::{Malformed, Stored};
        let answer: PublicKeyCredential = parse(assertion).map_err(Malformed)?;
        is_public_key(&answer.type_, &answer.id, &answer.raw_id).map_err(Malformed)?;
        client_data::check(
            &answer.response.client_data_json,
            CeremonyType::Get,
            challenge.as_bytes(),
            self.origin.as_str(),
        )?;
        let keys = passkeys.iter().map(|passkey| stored(passkey)).collect::<Result<Vec<_>, _>>()?;
        let key = keys.into_iter().find(|key| key.cred_id().as_slice() == answer.raw_id.as_slice());
        let mut key = key.ok_or(AssertionError::UnknownKey)?;
        let AttestationMetadata::Packed { aaguid } = key.attestation().metadata else {
            return Err(Stored("it has no model".into()));
        };
        let public_key = cose_key(&Credential::from(key.clone()).cred);
        let proof = AssertionProof {
            authenticator_data: Base64Url(answer.response.authenticator_data.clone()),
            client_data_json: Base64Url(answer.response.client_data_json.clone()),
            signature: Base64Url(answer.response.signature.clone()),
            public_key: public_key
                .ok_or_else(|| Stored("its algorithm is not one of those accepted".into()))?,
        };
        // Verifies now with the code that will verify the stored proof later.
        let flags = proof.check(&self.rp_id, self.origin(), challenge, user_verification);
        let flags = flags.map_err(AssertionError::Proof)?;
        let (_, state) = self.begin(std::slice::from_ref(&key))?;
        let state = bind(&state, challenge, user_verification)?;
        let result = self.webauthn.finish_attested_passkey_authentication(&answer, &state);
        let result = result.map_err(|error| match error {
            WebauthnError::CredentialPossibleCompromise => AssertionError::Counter,
            other => AssertionError::Refused(other.to_string()),
        })?;
        key.update_credential(&result);
        Ok(Asserted {
            credential: answer.raw_id.to_vec(),
            passkey: serde_json::to_string(&key).map_err(|error| Stored(error.to_string()))?,
            user_verified: flags.user_verified,
            backup_eligible: flags.backup_eligible,
            aaguid: Aaguid(aaguid.into_bytes()),
            proof,
        })
    }

    fn begin(
        &self,
        keys: &[AttestedPasskey],
    ) -> Result<(impl Serialize, AttestedPasskeyAuthentication), AssertionError> {
        let begun = self.webauthn.start_attested_passkey_authentication(keys);
        let (options, state) = begun.map_err(|error| AssertionError::Stored(error.to_string()))?;
        Ok((options.public_key, state))
    }
}

/// Replaces the challenge in the serialised state, and where user verification is discouraged also the policies, because
/// `webauthn-rs` accepts none of them from its caller. The pinned version and a test guard the format.
fn bind(
    state: &AttestedPasskeyAuthentication,
    challenge: &Digest,
    user_verification: UserVerification,
) -> Result<AttestedPasskeyAuthentication, AssertionError> {
    let failed = |error: &dyn std::fmt::Display| AssertionError::Stored(error.to_string());
    let mut state = serde_json::to_value(state).map_err(|error| failed(&error))?;
    let mut set = |member: &str, value: Value| {
        let place = state.pointer_mut(member);
        let place = place.ok_or_else(|| failed(&format_args!("its state has no {member}")))?;
        *place = value;
        Ok::<_, AssertionError>(())
    };
    set("/ast/challenge", json!(B64.encode(challenge.as_bytes())))?;
    if user_verification == UserVerification::Discouraged {
        set("/ast/policy", json!(policy(user_verification)))?;
        // The policy of the registration is enforced besides.
        set("/ast/credentials/0/registration_policy", json!(policy(user_verification)))?;
    }
    serde_json::from_value(state).map_err(|error| failed(&error))
}

/// Returns the word for `userVerification`.
fn policy(user_verification: UserVerification) -> &'static str {
    match user_verification {
        UserVerification::Required => "required",
        UserVerification::Discouraged => "discouraged",
    }
}

fn stored(passkey: &str) -> Result<AttestedPasskey, AssertionError> {
    serde_json::from_str(passkey).map_err(|error| AssertionError::Stored(error.to_string()))
}

fn object(value: impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(value)?)
}

/// Reads a credential or an assertion, when it is not too long.
fn parse<T: for<'de> Deserialize<'de>>(json: &Value) -> Result<T, &'static str> {
    if json.to_string().len() > MAX_CREDENTIAL_JSON_BYTES {
        return Err("it is too long");
    }
    T::deserialize(json).map_err(|_| "it is not the JSON that was expected")
}

fn is_public_key(type_: &str, id: &str, raw_id: &[u8]) -> Result<(), &'static str> {
    if type_ != "public-key" {
        return Err("it is no public-key credential");
    }
    if raw_id.is_empty() || raw_id.len() > MAX_CREDENTIAL_ID_BYTES {
        return Err("the credential's id is too long, or empty");
    }
    if id != B64.encode(raw_id) {
        return Err("id and rawId differ");
    }
    Ok(())
}

fn refused(error: WebauthnError) -> RegistrationError {
    match error {
        WebauthnError::UserNotVerified => RegistrationError::UserNotVerified,
        WebauthnError::CredentialMayNotBeHardwareBound => RegistrationError::BackupEligible,
        other => RegistrationError::Attestation(other.to_string()),
    }
}
