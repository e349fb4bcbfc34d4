//! OpenAPI 3.1 description, generated from the operations and their types.

use super::answer::Route;
use crate::admin_api::{APPROVAL_HEADER, Method, Operation, TapNeeded};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Writes the description of one operation: path, method, content.
pub(super) type Described = fn(&mut SchemaGenerator) -> (&'static str, &'static str, Value);

pub(super) fn operation<O: Operation>() -> Described {
    |schemas| {
        let method = match O::METHOD {
            Method::Get => "get",
            Method::Post => "post",
            Method::Delete => "delete",
        };
        let mut parameters = list_parameters::<O::Target>("path", schemas);
        let scope = json!([O::SCOPE.as_str()]);
        let problem = json!({
            "description": "The operation was refused or failed (RFC 9457).",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        let done = json!({
            "description": "Done.",
            "content": { "application/json": { "schema": schemas.subschema_for::<O::Answer>() } },
        });
        let mut responses = Map::from_iter([("200".to_owned(), done), ("default".to_owned(), problem)]);
        if O::ACTION.is_some() {
            parameters.push(json!({
                "name": APPROVAL_HEADER, "in": "header", "required": false, "schema": { "type": "string" },
                "description": "`approval` of the answer that a tap is needed, in the same request again.",
            }));
            let schema = schemas.subschema_for::<TapNeeded>();
            let response = json!({
                "description": "A tap is needed (type urn:vitalsign:problem:admin:tap-needed), or the operation was refused.",
                "content": { "application/problem+json": {
                    "schema": { "anyOf": [schema, { "$ref": "#/components/schemas/Problem" }] },
                } },
            });
            responses.insert(TapNeeded::STATUS.to_string(), response);
        }
        let security = json!([{ "socket": scope }, { "certificate": scope }, { "token": scope }]);
        let mut members = vec![
            ("operationId", O::NAME.into()),
            ("summary", O::SUMMARY.trim().into()),
            ("security", security),
            ("responses", Value::Object(responses)),
        ];
        match O::METHOD {
            Method::Get | Method::Delete => parameters.extend(list_parameters::<O::Input>("query", schemas)),
            Method::Post => {
                let schema = schemas.subschema_for::<O::Input>();
                let content = json!({ "application/json": { "schema": schema } });
                members.push(("requestBody", json!({ "required": true, "content": content })));
            }
        }
        if !parameters.is_empty() {
            members.push(("parameters", parameters.into()));
        }
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
        (O::PATH, method, members.collect())
    }
}

/// Lists the members of a type as parameters.
fn list_parameters<T: JsonSchema>(place: &str, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let schema: Schema = T::json_schema(schemas);
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let required = required.iter().any(|it| *it == name);
        let mut parameter = json!({ "name": name, "in": place, "required": required, "schema": schema });
        if let (Some(text), Some(members)) = (description, parameter.as_object_mut()) {
            members.insert("description".to_owned(), text);
        }
        parameter
    };
    members.into_iter().map(parameter).collect()
}

/// Returns the description of all operations.
pub(super) fn description(routes: &[Route]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let (path, method, operation) = (route.described)(&mut schemas);
        paths.entry(path).or_default().insert(method.to_owned(), operation);
    }
    let mut components = schemas.take_definitions(true);
    let problem = json!({
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "detail": { "type": "string" },
        },
    });
    components.insert("Problem".to_owned(), problem);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vitalsign verifier: API for administrators",
            "version": "1",
            "description": "Times are in seconds since 1970. Each operation needs the scope that its security names.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "socket": {
                    "type": "http", "scheme": "none",
                    "description": "The local socket: root and the verifier's own user have every scope.",
                },
                "certificate": { "type": "mutualTLS", "description": "A client certificate of a named administrator." },
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token (RFC 9068) of a named administrator.",
                },
            },
        },
    })
}
