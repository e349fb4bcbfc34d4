//! The API for administrators: who may call it, and a handler for each operation.

mod answer;
mod audit;
mod clients;
mod confirm;
mod dangers;
mod describe;
mod devices;
mod identity;
mod listen;
mod maintenance;
mod tokens;
mod users;

pub(super) use listen::{Listeners, serve};

use super::http::{self, ServerState};
use super::request_log::{self, RequestLog};
use crate::admin_api as api;
use crate::pace::{Paces, Rate};
use answer::Route;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use identity::Identities;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use vitalsign_protocol::problem::{Problem, ProblemType};

/// Memory for all request bodies together.
pub(super) const BODY_BYTES: usize = 32 * 1024 * 1024;
/// Requests of an administrator by HTTPS.
const PACE: Rate = Rate { burst: 300, each: Duration::from_millis(200) };
/// Administrators whose pace is kept.
const PACED: usize = 1024;

#[derive(Clone)]
struct ApiState(Arc<ApiParts>);

struct ApiParts {
    server: ServerState,
    identities: Identities,
    paces: Paces<String>,
    /// The OpenAPI description.
    description: serde_json::Value,
    /// One verification of the whole audit log at a time.
    verification: Semaphore,
}

/// Every operation with its handler.
fn routes() -> Vec<Route> {
    vec![
        Route::of::<api::Describe, _, _>(maintenance::describe),
        Route::of::<api::ShowAdministrator, _, _>(maintenance::show_administrator),
        Route::of::<api::Examine, _, _>(maintenance::examine),
        Route::of::<api::ListDevices, _, _>(devices::list),
        Route::of::<api::ShowDevice, _, _>(devices::show),
        Route::of::<api::CheckDevice, _, _>(devices::check),
        Route::confirmed::<api::RevokeDevice, _, _>(devices::revoke),
        Route::of::<api::ReadmitDevice, _, _>(devices::readmit),
        Route::of::<api::LabelDevices, _, _>(devices::label),
        Route::of::<api::ListDiagnostics, _, _>(devices::list_diagnostics),
        Route::of::<api::ShowDiagnostics, _, _>(devices::show_diagnostics),
        Route::of::<api::CreateToken, _, _>(tokens::create),
        Route::of::<api::ListTokens, _, _>(tokens::list),
        Route::of::<api::RevokeToken, _, _>(tokens::revoke),
        Route::of::<api::AddUser, _, _>(users::add),
        Route::of::<api::ListUsers, _, _>(users::list),
        Route::of::<api::ShowUser, _, _>(users::show),
        Route::of::<api::ImportUsers, _, _>(users::import),
        Route::confirmed::<api::DisableUser, _, _>(users::disable),
        Route::of::<api::EnableUser, _, _>(users::enable),
        Route::of::<api::ListAliases, _, _>(users::list_aliases),
        Route::of::<api::AddAlias, _, _>(users::add_alias),
        Route::of::<api::RemoveAlias, _, _>(users::remove_alias),
        Route::of::<api::ListUserDevices, _, _>(users::list_devices),
        Route::of::<api::AddUserDevice, _, _>(users::add_device),
        Route::of::<api::RemoveUserDevice, _, _>(users::remove_device),
        Route::confirmed::<api::CreateKeyCode, _, _>(users::create_key_code),
        Route::of::<api::ListSecurityKeys, _, _>(users::list_security_keys),
        Route::confirmed::<api::RevokeSecurityKey, _, _>(users::revoke_security_key),
        Route::of::<api::AddClient, _, _>(clients::add),
        Route::of::<api::ListClients, _, _>(clients::list),
        Route::of::<api::ConfigureClient, _, _>(clients::configure),
        Route::confirmed::<api::DisableClient, _, _>(clients::disable),
        Route::of::<api::EnableClient, _, _>(clients::enable),
        Route::of::<api::RotateClientSecret, _, _>(clients::rotate_secret),
        Route::of::<api::ChangeClientKeys, _, _>(clients::change_keys),
        Route::of::<api::ListStepUps, _, _>(maintenance::list_step_ups),
        Route::of::<api::SignAssertion, _, _>(maintenance::sign_assertion),
        Route::of::<api::CancelTap, _, _>(maintenance::cancel_tap),
        Route::of::<api::ListAudit, _, _>(audit::list),
        Route::of::<api::ShowAuditKeys, _, _>(audit::show_keys),
        Route::confirmed::<api::RotateAuditKey, _, _>(audit::rotate_key),
        Route::confirmed::<api::ReplaceAuditKey, _, _>(audit::replace_key),
        Route::of::<api::VerifyAudit, _, _>(audit::verify),
        Route::of::<api::ExportAudit, _, _>(audit::export),
        Route::of::<api::SignCheckpoint, _, _>(audit::sign_checkpoint),
        Route::of::<api::ProveConsistency, _, _>(audit::prove_consistency),
        Route::of::<api::AddCosignatures, _, _>(audit::add_cosignatures),
        Route::of::<api::ShowTile, _, _>(audit::show_tile),
        Route::of::<api::ListLeaves, _, _>(audit::list_leaves),
        Route::confirmed::<api::PruneAudit, _, _>(audit::prune),
        Route::of::<api::ListSigningKeys, _, _>(maintenance::list_signing_keys),
        Route::confirmed::<api::RotateSigningKey, _, _>(maintenance::rotate_signing_key),
        Route::confirmed::<api::ReplaceSigningKey, _, _>(maintenance::replace_signing_key),
        Route::confirmed::<api::WithdrawSigningKey, _, _>(maintenance::withdraw_signing_key),
    ]
}

fn router(server: ServerState, identities: Identities) -> Router {
    let log = RequestLog::of(&server.verifier);
    let routes = routes();
    let shared = ApiParts {
        description: describe::description(&routes),
        server,
        identities,
        paces: Paces::new(PACE, PACED),
        verification: Semaphore::new(1),
    };
    routes
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .method_not_allowed_fallback(async || http::refused(&Problem::new(ProblemType::MethodNotAllowed, "")))
        .fallback(async || http::refused(&Problem::new(ProblemType::NotFound, "")))
        // Each handler reads its body with its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(log, request_log::observe))
        .with_state(ApiState(Arc::new(shared)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed description, for people who write a client.
    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admin-api.json");

    #[test]
    fn description_has_exactly_the_operations() {
        let description = describe::description(&routes());
        let mut described = Vec::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let scope = operation["security"][0]["socket"][0].as_str().unwrap().to_owned();
                let id = operation["operationId"].as_str().unwrap().to_owned();
                let names: Vec<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let in_path = parameters.iter().filter(|it| it["in"] == "path" && it["required"] == true);
                assert_eq!(in_path.count(), names.len(), "{method} {path}");
                assert_eq!(operation["requestBody"].is_object(), method == "post", "{method} {path}");
                described.push((id, path.clone(), scope));
            }
        }
        let operation = |(name, path, scope): &(&str, &str, api::Scope)| {
            ((*name).to_owned(), (*path).to_owned(), scope.as_str().to_owned())
        };
        let mut expected: Vec<_> = api::OPERATIONS.iter().map(operation).collect();
        described.sort();
        expected.sort();
        assert_eq!(described, expected);
        let text = serde_json::to_string_pretty(&description).unwrap();
        for reference in text.split("\"$ref\": \"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(description["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    /// `make openapi` writes it.
    #[test]
    fn documented_description_is_this() {
        let text = serde_json::to_string_pretty(&describe::description(&routes())).unwrap() + "\n";
        if std::env::var_os("VITALSIGN_OPENAPI").is_some() {
            std::fs::write(DOCUMENT, &text).unwrap();
        }
        let documented = std::fs::read_to_string(DOCUMENT).unwrap();
        assert!(documented == text, "docs/admin-api.json is not up to date: run `make openapi`");
    }
}
