//! API for administrators: its operations, with the types of their requests and answers, and a client.
//!
//! Each operation is defined once, below. The server adds a handler to it (`server::admin_api`), the command line calls it
//! through [`AdminClient`], and the OpenAPI description is generated from it.

mod audit;
mod client;
mod clients;
mod confirmation;
mod devices;
mod doctor;
mod problem;
mod signing_keys;
mod step_ups;
mod text;
mod tokens;
mod users;

pub use crate::admin_action::AdminAction;
pub use crate::scope::Scope;
pub use audit::*;
pub use client::{AdminClient, CallError, RemoteCredential, STATED_LOGIN_UID, STATED_SUDO_USER};
pub use clients::*;
pub use confirmation::{APPROVAL_HEADER, TapCancellation, TapNeeded};
pub use devices::*;
pub use doctor::*;
pub use problem::AdminProblem;
pub use signing_keys::*;
pub use step_ups::*;
pub use text::{DeviceRef, EntryRef, Label, OneTimeSecret, Reason, UserName};
pub use tokens::*;
pub use users::*;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vitalsign_protocol::id::EnrolmentId;

/// The most bytes of a request's body, unless the operation names another limit.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// The same for lists of users and labels, as files have them.
const MAX_LIST_BYTES: usize = 12 * 1024 * 1024;

/// Method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The input is the query.
    Get,
    /// The input is the body, JSON.
    Post,
    /// The input is the query.
    Delete,
}

/// Type of a part of a request or an answer.
pub trait ApiType: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> ApiType for T {}

/// An operation.
pub trait Operation: 'static {
    const NAME: &'static str;
    const SUMMARY: &'static str;
    const METHOD: Method;
    /// Path with the members of [`Operation::Target`] in braces.
    const PATH: &'static str;
    const SCOPE: Scope;
    /// The action for which the configuration may require a tap.
    const ACTION: Option<AdminAction>;
    const MAX_BODY_BYTES: usize;
    /// Parameters of the path.
    type Target: ApiType;
    type Input: ApiType;
    type Answer: ApiType;
}

/// Nothing: no target, or no input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeviceTarget {
    /// Code or enrolment ID.
    pub device: DeviceRef,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UserTarget {
    /// Name or alias.
    pub user: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientTarget {
    /// `client_id`.
    pub client: String,
}

/// A device that the operation changed or asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangedDevice {
    #[schemars(with = "String")]
    pub device: EnrolmentId,
}

/// Reason of an operation, for the audit log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    #[serde(default)]
    pub reason: Reason,
}

/// The administrator, as the verifier knows them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Administrator {
    /// Name in the audit log.
    pub name: String,
    pub scopes: Vec<Scope>,
}

macro_rules! operations {
    ($(#[doc = $summary:literal] $name:ident: $method:ident $path:literal, $scope:ident,
        ($target:ty, $input:ty) => $answer:ty $(, at most $bytes:expr)? $(, tap $action:ident)?;)+) => { $(
        #[doc = $summary]
        pub struct $name;

        impl Operation for $name {
            const NAME: &'static str = stringify!($name);
            const SUMMARY: &'static str = $summary;
            const METHOD: Method = Method::$method;
            const PATH: &'static str = concat!("/admin/v1", $path);
            const SCOPE: Scope = Scope::$scope;
            const ACTION: Option<AdminAction> = { let action = None; $(let action = { let _: Option<AdminAction> = action; Some(AdminAction::$action) };)? action };
            const MAX_BODY_BYTES: usize = { let bytes = MAX_BODY_BYTES; $(let bytes = { let _ = bytes; $bytes };)? bytes };
            type Target = $target;
            type Input = $input;
            type Answer = $answer;
        }
    )+

        /// Name, path and scope of each operation.
        pub const OPERATIONS: &[(&str, &str, Scope)] = &[$((<$name as Operation>::NAME, <$name as Operation>::PATH, <$name as Operation>::SCOPE)),+];
    };
}

operations! {
    /// Returns this description (OpenAPI 3.1).
    Describe: Get "/openapi.json", Read, (Nothing, Nothing) => serde_json::Value;
    /// Says who the caller is, and what they may do.
    ShowAdministrator: Get "/administrator", Read, (Nothing, Nothing) => Administrator;
    /// Lists what expires or needs attention otherwise.
    Examine: Get "/doctor", Read, (Nothing, Nothing) => Examination;

    /// Lists devices in order of enrolment.
    ListDevices: Get "/devices", Read, (Nothing, DeviceQuery) => DevicePage;
    /// Shows a device with each check.
    ShowDevice: Get "/devices/{device}", Read, (DeviceTarget, Nothing) => DeviceView;
    /// Asks a device for a report with all facts.
    CheckDevice: Post "/devices/{device}/check", Operate, (DeviceTarget, Nothing) => ChangedDevice;
    /// Revokes a device.
    RevokeDevice: Post "/devices/{device}/revoke", Operate, (DeviceTarget, Because) => ChangedDevice, tap DeviceRevoke;
    /// Lets a revoked device enrol again, with a new token.
    ReadmitDevice: Post "/devices/{device}/readmit", Operate, (DeviceTarget, Because) => ChangedDevice;
    /// Labels devices or removes their labels, all or none.
    LabelDevices: Post "/device-labels", Operate, (Nothing, DeviceLabels) => LabelCount, at most MAX_LIST_BYTES;
    /// Lists the diagnostics that people sent from a device, newest first.
    ListDiagnostics: Get "/devices/{device}/diagnostics", Read, (DeviceTarget, Nothing) => Vec<DiagnosticsView>;
    /// Shows diagnostics by their reference.
    ShowDiagnostics: Get "/diagnostics/{reference}", Read, (DiagnosticsTarget, Nothing) => DiagnosticsView;

    /// Creates an enrolment token. The answer is its only copy.
    CreateToken: Post "/enrolment-tokens", Operate, (Nothing, NewToken) => CreatedToken;
    /// Lists enrolment tokens.
    ListTokens: Get "/enrolment-tokens", Read, (Nothing, Nothing) => Vec<crate::store::token::Token>;
    /// Revokes an enrolment token.
    RevokeToken: Post "/enrolment-tokens/{token}/revoke", Operate, (TokenTarget, Nothing) => TokenTarget;

    /// Adds a user.
    AddUser: Post "/users", Operate, (Nothing, NewUser) => UserView;
    /// Lists users by name.
    ListUsers: Get "/users", Read, (Nothing, UserQuery) => UserPage;
    /// Shows a user.
    ShowUser: Get "/users/{user}", Read, (UserTarget, Nothing) => UserView;
    /// Adds users with their aliases and devices, all or none.
    ImportUsers: Post "/user-imports", Operate, (Nothing, UserImport) => ImportResult, at most MAX_LIST_BYTES;
    /// Disables a user.
    DisableUser: Post "/users/{user}/disable", Operate, (UserTarget, Nothing) => UserView, tap UserDisable;
    /// Enables a disabled user.
    EnableUser: Post "/users/{user}/enable", Operate, (UserTarget, Nothing) => UserView;
    /// Lists a user's aliases.
    ListAliases: Get "/users/{user}/aliases", Read, (UserTarget, Nothing) => Vec<String>;
    /// Adds an alias.
    AddAlias: Post "/users/{user}/aliases", Operate, (UserTarget, NewAlias) => Vec<String>;
    /// Removes an alias.
    RemoveAlias: Delete "/users/{user}/aliases/{alias}", Operate, (AliasTarget, Nothing) => Vec<String>;
    /// Lists the devices at which a user is prompted.
    ListUserDevices: Get "/users/{user}/devices", Read, (UserTarget, Nothing) => DeviceIds;
    /// Prompts a user at a device too.
    AddUserDevice: Post "/users/{user}/devices", Operate, (UserTarget, DeviceTarget) => DeviceIds;
    /// Stops prompting a user at a device.
    RemoveUserDevice: Delete "/users/{user}/devices/{device}", Operate, (UserDeviceTarget, Nothing) => DeviceIds;
    /// Creates a code for registering a security key. The answer is its only copy.
    CreateKeyCode: Post "/users/{user}/key-codes", Operate, (UserTarget, NewKeyCode) => CreatedKeyCode, tap UserKeyCode;
    /// Lists a user's security keys.
    ListSecurityKeys: Get "/users/{user}/security-keys", Read, (UserTarget, Nothing) => Vec<SecurityKeyView>;
    /// Revokes a security key.
    RevokeSecurityKey: Post "/security-keys/{key}/revoke", Operate, (SecurityKeyTarget, Because) => SecurityKeyView, tap UserKeyRevoke;

    /// Registers an application. The answer is the only copy of its secret, if it has one.
    AddClient: Post "/clients", Clients, (Nothing, NewClient) => AddedClientView;
    /// Lists applications in order of registration.
    ListClients: Get "/clients", Read, (Nothing, Nothing) => Vec<ClientView>;
    /// Changes an application's audience or settings.
    ConfigureClient: Post "/clients/{client}/settings", Clients, (ClientTarget, ClientChange) => ClientView;
    /// Disables an application.
    DisableClient: Post "/clients/{client}/disable", Clients, (ClientTarget, Nothing) => ClientTarget, tap ClientDisable;
    /// Enables a disabled application.
    EnableClient: Post "/clients/{client}/enable", Clients, (ClientTarget, Nothing) => ClientTarget;
    /// Replaces an application's secret. The answer is the only copy of the new one.
    RotateClientSecret: Post "/clients/{client}/secret", Clients, (ClientTarget, SecretRotation) => RotatedSecret;
    /// Adds and removes keys of an application.
    ChangeClientKeys: Post "/clients/{client}/keys", Clients, (ClientTarget, KeyChange) => ChangedClientKeys;

    /// Lists recent step-ups, newest first.
    ListStepUps: Get "/step-ups", Read, (Nothing, StepUpQuery) => Vec<crate::store::recent_step_ups::RecentStepUp>;
    /// Signs a client assertion with which the caller requests a step-up as the administrator.
    SignAssertion: Post "/step-up-assertions", Operate, (Nothing, Nothing) => ClientAssertion;

    /// Withdraws the request for a tap by which the caller's action would be confirmed.
    CancelTap: Post "/tap-cancellations", Read, (Nothing, TapCancellation) => Nothing;

    /// Lists entries of the audit log.
    ListAudit: Get "/audit", Read, (Nothing, AuditQuery) => AuditPage;
    /// Returns the keys that verify the audit log's checkpoints.
    ShowAuditKeys: Get "/audit/keys", Read, (Nothing, Nothing) => AuditKeys;
    /// Announces a new key for checkpoints, which signs alone from a later time on.
    RotateAuditKey: Post "/audit/keys/rotate", Maintain, (Nothing, AuditKeyRotation) => AuditKeys, tap AuditKeyRotate;
    /// Replaces a compromised key for checkpoints at once.
    ReplaceAuditKey: Post "/audit/keys/replace", Maintain, (Nothing, Nothing) => AuditKeys, tap AuditKeyReplace;
    /// Verifies the whole audit log.
    VerifyAudit: Get "/audit/verification", Read, (Nothing, VerificationQuery) => Verification;
    /// Exports an entry with the proof that it is in the log.
    ExportAudit: Get "/audit/entries/{entry}", Read, (EntryTarget, Nothing) => ExportedEntry;
    /// Signs the audit log's state.
    SignCheckpoint: Post "/audit/checkpoints", Read, (Nothing, Nothing) => Note;
    /// Proves that the audit log contains everything that an earlier checkpoint does.
    ProveConsistency: Post "/audit/consistency-proofs", Read, (Nothing, Note) => ConsistencyAnswer;
    /// Stores the cosignatures of witnesses on a checkpoint.
    AddCosignatures: Post "/audit/cosignatures", Maintain, (Nothing, Note) => Vec<crate::audit::checkpoint::Cosigned>;
    /// Returns hashes of the audit log's tree.
    ShowTile: Get "/audit/tiles/{level}/{number}", Read, (TileTarget, TileQuery) => Tile;
    /// Returns leaves of the audit log's tree.
    ListLeaves: Get "/audit/leaves/{number}", Read, (LeavesTarget, TileQuery) => Leaves;
    /// Removes payloads whose retention has ended.
    PruneAudit: Post "/audit/prune", Maintain, (Nothing, Pruning) => Pruned, tap AuditPrune;

    /// Lists the signing keys.
    ListSigningKeys: Get "/signing-keys", Read, (Nothing, SigningKeyQuery) => SigningKeyList;
    /// Announces a new signing key, which signs from a later time on.
    RotateSigningKey: Post "/signing-keys/rotate", Maintain, (Nothing, KeyRotation) => NewSigningKey, tap SigningKeyRotate;
    /// Replaces a compromised signing key at once.
    ReplaceSigningKey: Post "/signing-keys/replace", Maintain, (Nothing, KeyReplacement) => NewSigningKey, tap SigningKeyReplace;
    /// Withdraws a signing key that signs no more or not yet.
    WithdrawSigningKey: Post "/signing-keys/withdraw", Maintain, (Nothing, KeyWithdrawal) => KeyWithdrawal, tap SigningKeyWithdraw;
}
