//! Asking for a person: what is asked for, and every refusal.

use super::application::{App, Provider, refusal, refused, request};
use super::person::Person;
use super::support::{Answer, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vitalsign_protocol::details::DetailsSchema;
use vitalsign_protocol::step_up::{Transaction, transaction_digest};
use vitalsign_verifier::clock::now;
use vitalsign_verifier::oidc::form;
use vitalsign_verifier::store::client::DetailsTypes;
use vitalsign_verifier::store::recent_step_ups::StepUpFilter;

/// A good request in which this parameter is another, or is not there.
fn with(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut form = request("nurse-7");
    form.retain(|(it, _)| *it != name);
    form.push((name, value.to_owned()));
    form
}

async fn ask(provider: &Provider, app: &App, form: Vec<(&'static str, String)>) -> Answer {
    app.post(provider, "/bc-authorize", &form).await
}

#[tokio::test]
async fn request_returns_id_expiry_and_interval() {
    let provider = Provider::with(|config| config.oidc.interval_seconds = 7).await;
    let ehr = provider.with_secret("ehr").await;
    let answer = ask(&provider, &ehr, request("nurse-7")).await;
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let answer: Value = answer.json();
    assert_eq!((&answer["expires_in"], &answer["interval"]), (&120.into(), &7.into()));
    // CIBA section 7.3: at least 128 bits of entropy.
    assert!(answer["auth_req_id"].as_str().unwrap().len() >= 22);
    for (asked, given) in [("30", 30), ("300", 300), ("86400", 300)] {
        let answer: Value = ask(&provider, &ehr, with("requested_expiry", asked)).await.json();
        assert_eq!(answer["expires_in"], given, "{asked}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_standard_errors() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let before = provider.lab.verifier.store().recent_step_ups(&StepUpFilter::default(), 10).await.unwrap();
    for (name, value, error) in [
        ("scope", "", "invalid_scope"),
        ("scope", "profile", "invalid_scope"),
        ("login_hint", "", "invalid_request"),
        ("login_hint_token", "x", "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("request", "x.y.z", "invalid_request"),
        ("binding_message", "", "invalid_binding_message"),
        ("binding_message", "EHR:\u{7}sign", "invalid_binding_message"),
        ("binding_message", "\u{202e}sign", "invalid_binding_message"),
        ("binding_message", &"x".repeat(1001), "invalid_binding_message"),
        ("acr_values", "urn:mace:incommon:iap:silver", "unmet_authentication_requirements"),
        ("requested_expiry", "0", "invalid_request"),
        ("requested_expiry", "soon", "invalid_request"),
        ("vitalsign_device", "that one", "invalid_request"),
        ("authorization_details", "{", "invalid_authorization_details"),
        ("authorization_details", "[{\"x\":1}]", "invalid_authorization_details"),
    ] {
        let answer = ask(&provider, &ehr, with(name, value)).await;
        assert_eq!(refusal(&answer), refused(400, error), "{name}={value:.40}");
    }
    assert_eq!(
        provider.lab.verifier.store().recent_step_ups(&StepUpFilter::default(), 10).await.unwrap(),
        before,
        "a step-up was stored"
    );
}

#[tokio::test]
async fn only_registered_details_reach_the_person() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    provider
        .configure(&pacs, |settings| {
            settings.authorization_details_types =
                DetailsTypes::Only(["report".into(), "order".into()].into());
        })
        .await;
    let details = |types: &[&str]| {
        let details: Vec<_> = types.iter().map(|name| serde_json::json!({ "type": name })).collect();
        with("authorization_details", &serde_json::json!(details).to_string())
    };
    // An application with every type, as those of before the setting.
    assert_eq!(ask(&provider, &ehr, details(&["anything"])).await.status, 200);
    assert_eq!(ask(&provider, &pacs, details(&["order", "report"])).await.status, 200);
    let answer = ask(&provider, &pacs, details(&["order", "anything"])).await;
    assert_eq!(refusal(&answer), refused(400, "invalid_authorization_details"));
    let metadata = provider.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata["authorization_details_types_supported"], serde_json::json!(["order", "report"]));
    assert!(provider.lab.verifier.store().disable_client("pacs", now()).await.unwrap());
    let metadata = provider.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata.get("authorization_details_types_supported"), None);
}

#[tokio::test]
async fn labels_are_the_administrators_and_bound() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let labels = json!({"en": "Dose", "de": "Dosis"});
    let schema = json!({
        "labels": {"en": "Order"}, "fields": [{"name": "dose", "kind": "quantity", "labels": labels}],
    });
    let schemas: BTreeMap<String, DetailsSchema> =
        serde_json::from_value(json!({ "order": schema })).unwrap();
    provider
        .configure(&ehr, |settings| {
            settings.authorization_details_types = DetailsTypes::Only(["report".into()].into());
            settings.authorization_details_schemas = schemas.clone();
        })
        .await;
    let metadata = provider.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata["authorization_details_types_supported"], json!(["order", "report"]));
    let details = |details: Value| with("authorization_details", &details.to_string());
    let order = json!({"type": "order", "dose": {"value": 5, "unit": "mg"}});
    // An application cannot bring its own labels, in whatever place.
    let mut own = order.clone();
    own["details_schemas"] = json!({ "order": schema });
    for refusable in [json!([{"type": "order"}]), json!([own]), json!([order, {"type": "order", "dose": 5}])]
    {
        let answer = ask(&provider, &ehr, details(refusable.clone())).await;
        assert_eq!(refusal(&answer), refused(400, "invalid_authorization_details"), "{refusable}");
    }
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let mut form = details(json!([order, {"type": "report"}]));
    form.push(("details_schemas", "{}".to_owned()));
    assert_eq!(ask(&provider, &ehr, form).await.status, 200);
    let asked = nurse.asked(&provider).await;
    // What the key signs is the digest of this text.
    let read = Transaction::read(&asked.text).unwrap();
    assert_eq!(read.details_schemas, schemas);
    assert_eq!(read.authorization_details, Some(json!([order, {"type": "report"}])));
    let other = asked.text.replace("Dosis", "Dosos");
    assert_ne!(transaction_digest(&other), transaction_digest(&asked.text));
    nurse.tap(&provider, &asked).await;
}

#[tokio::test]
async fn rejects_malformed_and_oversized_forms() {
    let provider = Provider::start().await;
    let json = ("content-type", "application/json");
    let form_type = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let many: String = (0..40).map(|n| format!("p{n}=1&")).collect();
    let huge = "a=".to_owned() + &"x".repeat(form::MAX_BYTES);
    for path in ["/bc-authorize", "/token", "/bc-cancel"] {
        for (what, header, body, status) in [
            ("JSON", json, "{}", 400),
            ("a repeated parameter", form_type, "scope=openid&scope=openid", 400),
            ("half an escape", form_type, "scope=%4", 400),
            ("not UTF-8", form_type, "scope=%ff", 400),
            ("too many parameters", form_type, &many, 400),
            ("too large", form_type, &huge, 413),
        ] {
            let answer = provider.raw("POST", path, &[header], body.as_bytes()).await;
            assert_eq!(refusal(&answer), refused(status, "invalid_request"), "{what} at {path}");
        }
        let answer = provider.raw("GET", path, &[], b"").await;
        assert_eq!(answer.status, 405, "{path}");
        // Without a length it is capped while it comes.
        let mut client = Client::connect(provider.address, &provider.anchor, "localhost").await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        client.send(head.as_bytes()).await.unwrap();
        let chunk = [format!("{:x}\r\n", 0x2000).as_bytes(), &[b'a'; 0x2000], b"\r\n"].concat();
        for _ in 0..5 {
            client.send(&chunk).await.unwrap();
        }
        assert_eq!(refusal(&client.receive().await.unwrap()), refused(413, "invalid_request"), "{path}");
    }
}

#[tokio::test]
async fn a_request_is_taken_back_by_who_made_it_and_once() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let asked = ehr.ask(&provider, "nurse-7").await;
    let named = |id: &str| vec![("auth_req_id", id.to_owned())];
    let cancel = async |app: &App, form| app.post(&provider, "/bc-cancel", &form).await;

    assert_eq!(refusal(&cancel(&ehr, vec![]).await), refused(400, "invalid_request"));
    assert_eq!(refusal(&cancel(&ehr, named("x")).await), refused(400, "invalid_grant"));
    assert_eq!(refusal(&cancel(&ehr, named(&"x".repeat(300))).await), refused(400, "invalid_grant"));
    assert_eq!(refusal(&cancel(&pacs, named(&asked)).await), refused(400, "invalid_grant"), "another's");
    assert_eq!(refusal(&ehr.poll(&provider, &asked).await), refused(400, "authorization_pending"));
    let answer: Value = cancel(&ehr, named(&asked)).await.json();
    assert_eq!(answer["vitalsign_end"], "cancelled");
    assert_eq!(refusal(&cancel(&ehr, named(&asked)).await), refused(400, "invalid_grant"), "twice");
    let answer = ehr.poll(&provider, &asked).await;
    assert_eq!(refusal(&answer), refused(400, "access_denied"));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["vitalsign_end"], "cancelled");
}

/// An application learns from nothing that it is told, and not from how it goes on, whether there is such a person.
#[tokio::test]
async fn unknown_user_is_answered_like_an_unreachable_one() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    let verifier = &provider.lab.verifier;
    verifier.store().add_user("nurse-7", now()).await.unwrap().unwrap();
    let mut told = Vec::new();
    let shape = |answer: &Answer| {
        let lines: Vec<_> = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("date:") && !line.starts_with("x-request-id:"))
            .collect();
        (answer.status, lines.join("\n"))
    };
    for user in ["nurse-7", "unknown"] {
        let mut sequence = Vec::new();
        let answer = ask(&provider, &ehr, request(user)).await;
        let mut body: Value = answer.json();
        let asked = body["auth_req_id"].as_str().unwrap().to_owned();
        body["auth_req_id"] = asked.len().into();
        sequence.push((shape(&answer), body.to_string()));
        for late in [0, 1, 5, 30, 200] {
            verifier.step_ups.maintain(now() + late).await.unwrap();
            let answer = ehr.poll(&provider, &asked).await;
            sequence.push((shape(&answer), String::from_utf8(answer.body).unwrap()));
        }
        // And of one that is taken back.
        let asked = ehr.ask(&provider, user).await;
        let answer = ehr.post(&provider, "/bc-cancel", &vec![("auth_req_id", asked)]).await;
        sequence.push((shape(&answer), String::from_utf8(answer.body).unwrap()));
        told.push(sequence);
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].iter().any(|(_, body)| body.contains("authorization_pending")), "{told:?}");
    assert!(told[0].iter().any(|(_, body)| body.contains("no-device")), "{told:?}");
}
