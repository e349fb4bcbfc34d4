//! The commands for applications, and the stand-in for one, against a server that runs.

use super::application::Provider;
use super::person::Person;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::jwt::Jwk;
use vitalsign_protocol::step_up::StepUpResult;
use vitalsign_verifier::clock::now;
use vitalsign_verifier::store::client::Client as Registered;

#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| unreachable!("{e}: {} {}", self.stdout, self.stderr))
    }
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    std::fs::write(folder.join("verifier.toml"), "data = \".\"\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitalsign-verifier"));
    command.arg("--config").arg(folder.join("verifier.toml")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub(crate) async fn run(provider: &Provider, arguments: &[&str]) -> Done {
    let output = program(provider.lab.folder.path(), arguments).output().await.unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `step-up request` at the provider.
fn request(provider: &Provider, more: &[&str]) -> Command {
    let url = format!("https://localhost:{}", provider.address.port());
    let arguments =
        ["step-up", "request", "--url", &url, "--user", "nurse-7", "--message", "EHR: sign order 4711"];
    program(provider.lab.folder.path(), &[&arguments, more].concat())
}

/// Waits until the stand-in says that it has asked.
async fn has_asked(child: &mut Child) -> BufReader<tokio::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("asked; waiting for the tap, "), "{line}");
    stderr
}

#[tokio::test]
async fn clients_are_registered_listed_rotated_disabled() {
    let provider = Provider::start().await;
    let (provider, folder) = (&provider, provider.lab.folder.path());
    let added = run(
        provider,
        &["client", "add", "EHR", "--id", "ehr", "--audience", "https://ehr.example", "--secret", "--json"],
    )
    .await;
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let added = added.json();
    let secret = added["secret"].as_str().unwrap();
    assert!(secret.len() > 43, "256 bits and a prefix: {secret}");
    assert_eq!(added["client"]["method"], "client_secret_basic");

    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}]}"#;
    let file = folder.join("keys.json");
    std::fs::write(&file, keys).unwrap();
    let file = file.to_str().unwrap();
    let added = run(provider, &["client", "add", "PACS", "--audience", "urn:pacs", "--jwks", file]).await;
    assert!(added.code == Some(0) && added.stdout.starts_with("client_id "), "{}", added.stderr);

    let private = keys.replace("\"kty\"", "\"d\":\"AAAA\",\"kty\"");
    std::fs::write(folder.join("private.json"), private).unwrap();
    let private = folder.join("private.json");
    let private = private.to_str().unwrap();
    for (arguments, code, word) in [
        (vec!["EHR", "--secret"], 2, "--audience"),
        (vec!["EHR", "--id", "e", "--audience", "e", "--secret"], 1, "differ"),
        (vec!["EHR", "--audience", "u", "--secret", "--dpop-bound", "yes"], 2, "on or off"),
        (vec!["EHR"], 2, "--secret"),
        (vec!["EHR", "--secret", "--jwks", file], 2, "--jwks"),
        (vec!["EHR", "--id", "ehr", "--secret"], 1, "already"),
        (vec!["ehr", "--id", "ehr2", "--secret"], 1, "confuse"),
        (vec!["\u{395}\u{397}R", "--id", "ehr2", "--secret"], 1, "confuse"),
        (vec!["E HR ", "--id", "ehr2", "--secret"], 1, "confuse"),
        (vec!["\u{2800} ", "--id", "blank", "--secret"], 1, "people"),
        // The app marks requests of this name as tests by IT; the administrator has not asked for anything yet.
        (vec!["administrator of the VERIFIER", "--id", "it", "--secret"], 1, "confuse"),
        (vec!["Administration of the verifier", "--id", "it", "--secret"], 1, "confuse"),
        (vec!["EHR", "--id", "vitalsign-verifier", "--secret"], 1, "verifier's own"),
        (vec!["EHR", "--id", "vitalsign-verifier-confirmation", "--secret"], 1, "verifier's own"),
        (vec!["EHR", "--id", "a b", "--secret"], 1, "letters"),
        (vec!["E\u{202e}HR", "--secret"], 1, "people"),
        (vec!["", "--secret"], 1, "people"),
        (vec!["EHR", "--jwks", private], 1, "private"),
        (vec!["EHR", "--jwks", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let named = arguments.contains(&"--audience") || word == "--audience";
        let audience = if named { vec![] } else { vec!["--audience", "urn:x"] };
        let done = run(provider, &[vec!["client", "add"], arguments.clone(), audience].concat()).await;
        assert_eq!(done.code, Some(code), "{arguments:?} {}", done.stderr);
        assert!(done.stderr.contains(word), "{arguments:?} {}", done.stderr);
    }

    let rotated = run(provider, &["client", "rotate-secret", "ehr", "--json"]).await.json();
    assert_ne!(rotated["secret"].as_str().unwrap(), secret);
    let listed = run(provider, &["client", "list"]).await.stdout;
    assert!(listed.contains("https://ehr.example") && listed.contains("private_key_jwt"), "{listed}");
    assert!(!listed.contains(secret) && !listed.contains(rotated["secret"].as_str().unwrap()), "{listed}");
    let pacs = run(provider, &["client", "list", "--json"]).await.json();
    let pacs = pacs.as_array().unwrap().iter().find(|it| it["name"] == "PACS").unwrap();
    let done = run(provider, &["client", "rotate-secret", pacs["id"].as_str().unwrap()]).await;
    assert!(done.code == Some(1) && done.stderr.contains("its own keys"), "{}", done.stderr);
    assert_eq!(run(provider, &["client", "rotate-secret", "unknown"]).await.code, Some(1));
    assert_eq!(run(provider, &["client", "disable", "ehr"]).await.code, Some(0));
    assert_eq!(run(provider, &["client", "disable", "ehr"]).await.code, Some(1));
    assert!(run(provider, &["client", "list"]).await.stdout.contains("disabled "));
    assert_eq!(run(provider, &["client", "enable", "ehr"]).await.code, Some(0));
    assert_eq!(run(provider, &["client", "enable", "ehr"]).await.code, Some(1));
    assert_eq!(run(provider, &["client", "enable", "unknown"]).await.code, Some(1));
    assert!(!run(provider, &["client", "list"]).await.stdout.contains("disabled "));
    // Its name was given to another meanwhile.
    assert_eq!(run(provider, &["client", "disable", "ehr"]).await.code, Some(0));
    let add = ["client", "add", "Ehr", "--id", "other", "--audience", "urn:x", "--secret"];
    assert_eq!(run(provider, &add).await.code, Some(0));
    let refused = run(provider, &["client", "enable", "ehr"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("client other"), "{}", refused.stderr);
}

#[tokio::test]
async fn settings_of_clients_are_shown_and_changed() {
    let provider = Provider::start().await;
    let client = async || run(&provider, &["client", "list", "--json"]).await.json()[0].clone();
    let add = ["client", "add", "EHR", "--id", "ehr", "--audience", "urn:ehr", "--secret"];
    assert_eq!(run(&provider, &add).await.code, Some(0));
    // New applications begin with the strictest settings.
    assert_eq!(
        client().await["settings"],
        json!({
            "strict_audience": true, "authorization_details_types": { "only": [] },
            "dpop_bound_access_tokens": false, "transaction_text": false, "badge": false, "preferred_username": false,
        })
    );
    let set =
        async |arguments: &[&str]| run(&provider, &[&["client", "set", "ehr"], arguments].concat()).await;
    let done = set(&["--details-type", "order", "--details-type", "report", "--dpop-bound", "on"]).await;
    assert_eq!(
        done.stdout,
        "Client ehr: audience urn:ehr, details-type order report, strict-audience on, dpop-bound on, \
         transaction-text off, badge off, preferred-username off\n"
    );
    assert_eq!(set(&["--audience", "urn:ehr:api", "--strict-audience", "off"]).await.code, Some(0));
    let changed = client().await;
    assert_eq!(changed["audience"], "urn:ehr:api");
    assert_eq!(
        changed["settings"],
        json!({
            "strict_audience": false, "authorization_details_types": { "only": ["order", "report"] },
            "dpop_bound_access_tokens": true, "transaction_text": false, "badge": false, "preferred_username": false,
        })
    );
    assert_eq!(set(&["--details-type", "any"]).await.code, Some(0));
    assert_eq!(client().await["settings"]["authorization_details_types"], "any");
    assert_eq!(set(&["--details-type", "none"]).await.code, Some(0));
    assert_eq!(client().await["settings"]["authorization_details_types"], json!({ "only": [] }));
    for (arguments, code, word) in [
        (&[][..], 2, "nothing to set"),
        (&["--audience", "ehr"], 1, "differ"),
        (&["--details-type", ""], 2, "bytes"),
        (&["--transaction-text", "true"], 2, "on or off"),
    ] {
        let done = set(arguments).await;
        assert!(done.code == Some(code) && done.stderr.contains(word), "{arguments:?} {}", done.stderr);
    }
    let logged = run(&provider, &["audit", "list", "--kind", "client-configured", "--json"]).await.stdout;
    assert_eq!(logged.lines().count(), 4, "{logged}");
    assert!(logged.contains("dpop_bound_access_tokens"), "{logged}");
}

const ORDER: &str = "
type = 'order'
labels = { en = 'Medication order', de = 'Verordnung' }

[[fields]]
name = 'dose'
kind = 'quantity'
labels = { en = 'Dose', de = 'Dosis' }

[[fields]]
name = 'route'
kind = 'code'
labels = { en = 'Route' }
codes = ['PO', 'IV']
optional = true
";

#[tokio::test]
async fn schemas_of_details_are_read_from_files() {
    let provider = Provider::start().await;
    let folder = provider.lab.folder.path();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let add =
        ["client", "add", "EHR", "--id", "ehr", "--audience", "urn:ehr", "--secret", "--details-type", "x"];
    assert_eq!(run(&provider, &add).await.code, Some(0));
    let set = async |files: &[&str]| {
        let files: Vec<_> = files.iter().flat_map(|file| ["--details-schema", *file]).collect();
        run(&provider, &[&["client", "set", "ehr"], &files[..]].concat()).await
    };
    let schemas = async || {
        let clients = run(&provider, &["client", "list", "--json"]).await.json();
        clients[0]["settings"]["authorization_details_schemas"].clone()
    };
    let (order, report) =
        (file("order.toml", ORDER), file("report.toml", &ORDER.replace("'order'", "'report'")));
    let done = set(&[&order, &report]).await;
    assert!(done.stdout.contains("details-type x, details-schema order report, "), "{done:?}");
    let set_schemas = schemas().await;
    assert_eq!(set_schemas["order"]["fields"][0]["labels"], json!({"en": "Dose", "de": "Dosis"}));
    assert_eq!(set_schemas["order"]["fields"][1]["codes"], json!(["PO", "IV"]));
    // Other settings leave them, and a new list replaces all.
    assert_eq!(run(&provider, &["client", "set", "ehr", "--badge", "on"]).await.code, Some(0));
    assert_eq!(schemas().await, set_schemas);
    assert_eq!(set(&[&order]).await.code, Some(0));
    assert_eq!(schemas().await.as_object().unwrap().len(), 1);
    let lookalike = ORDER.replace("en = 'Route'", "en = 'D\u{3bf}se'");
    let long = format!("# {}\n{ORDER}", "x".repeat(20_000));
    for (name, text, code, word) in [
        ("bidi.toml", ORDER.replace("'Dosis'", "\"Do\\u202esis\""), 1, "dose: labels must"),
        ("same.toml", ORDER.replace("en = 'Route'", "en = 'dose'"), 1, "another field has this label"),
        ("lookalike.toml", lookalike, 1, "looks like another"),
        ("kind.toml", ORDER.replace("'quantity'", "'number'"), 1, "unknown variant"),
        ("member.toml", ORDER.replace("optional", "is_optional"), 1, "unknown field"),
        ("twice.toml", ORDER.replace("kind = 'code'", "kind = 'code'\nkind = 'text'"), 1, "duplicate key"),
        ("type.toml", ORDER.replace("'order'", "\"or\\u0007der\""), 1, "without control characters"),
        ("long.toml", long, 1, "larger than"),
        ("again.toml", ORDER.to_owned(), 0, ""),
    ] {
        let done = set(&[&file(name, &text)]).await;
        assert!(done.code == Some(code) && done.stderr.contains(word), "{name} {done:?}");
    }
    let done = set(&[&order, &file("again.toml", ORDER)]).await;
    assert!(done.code == Some(1) && done.stderr.contains("another file"), "{done:?}");
    assert_eq!(set(&["/nonexistent.toml"]).await.code, Some(1));
    assert_eq!(set(&["none"]).await.code, Some(0));
    assert_eq!(schemas().await, Value::Null);
    // The audit log has what people are shown.
    let logged = run(&provider, &["audit", "list", "--kind", "client-configured", "--json"]).await.stdout;
    assert!(logged.contains("Verordnung"), "{logged}");
}

#[tokio::test]
async fn keys_and_secrets_are_replaced_without_outage() {
    let provider = Provider::start().await;
    let folder = provider.lab.folder.path();
    let file = |kid: &str| {
        let pair = super::application::pair();
        let jwk = serde_json::to_value(Jwk::new(&super::application::public(&pair))).unwrap();
        let path = folder.join(format!("{kid}.json"));
        let keys =
            json!({ "keys": [{ "kid": kid, "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"] }] });
        std::fs::write(&path, keys.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (file("2026"), file("2027"));
    let add = ["client", "add", "PACS", "--id", "pacs", "--audience", "urn:pacs", "--jwks", &old];
    assert_eq!(run(&provider, &add).await.code, Some(0));
    let set = async |arguments: &[&str]| {
        run(&provider, &[&["client", "set-keys", "pacs"], arguments].concat()).await
    };
    assert_eq!(set(&["--add", &new]).await.stdout, "Client pacs signs with 2026, 2027.\n");
    let repeated = set(&["--add", &new]).await;
    assert!(repeated.code == Some(1) && repeated.stderr.contains("\"2027\""), "{}", repeated.stderr);
    assert_eq!(set(&["--remove", "2026"]).await.stdout, "Client pacs signs with 2027.\n");
    assert_eq!(set(&["--remove", "2027"]).await.code, Some(1), "the last key");
    assert_eq!(set(&["--remove", "2027", "--add", &old]).await.stdout, "Client pacs signs with 2026.\n");
    assert_eq!(set(&[]).await.code, Some(2));

    let add = ["client", "add", "EHR", "--id", "ehr", "--audience", "urn:ehr", "--secret", "--json"];
    run(&provider, &add).await.json();
    let no_keys = run(&provider, &["client", "set-keys", "ehr", "--add", &new]).await;
    assert!(no_keys.code == Some(1) && no_keys.stderr.contains("rotate-secret"), "{}", no_keys.stderr);
    let before = now();
    let rotated = run(&provider, &["client", "rotate-secret", "ehr", "--overlap", "24h", "--json"]).await;
    let expires = rotated.json()["previous_secret_expires"].as_u64().unwrap();
    assert!(expires >= before + 86400 && expires <= now() + 86400, "{expires}");
    let listed = run(&provider, &["client", "list", "--json"]).await.json();
    let ehr = listed.as_array().unwrap().iter().find(|client| client["id"] == "ehr").unwrap();
    assert_eq!(ehr["previous_secret_expires"], expires);
    let long = run(&provider, &["client", "rotate-secret", "ehr", "--overlap", "31d"]).await;
    assert!(long.code == Some(2) && long.stderr.contains("30d"), "{}", long.stderr);
}

#[tokio::test]
async fn list_warns_of_confusable_audiences() {
    let provider = Provider::start().await;
    let ehr = provider.with_secret("ehr").await;
    assert_eq!(run(&provider, &["client", "list"]).await.stderr, "");
    // As earlier versions registered applications by default.
    let store = provider.lab.verifier.store();
    let configure = |client: &mut Registered| client.audience.clone_from(&client.id);
    store.configure_client(&ehr.id, configure, now()).await.unwrap().unwrap();
    let listed = run(&provider, &["client", "list"]).await;
    assert_eq!(listed.code, Some(0));
    assert!(listed.stderr.contains("client set ehr --audience"), "{}", listed.stderr);
}

#[tokio::test]
async fn the_stand_in_shows_the_token_once_the_tap_is_given() {
    let provider = Provider::with(|config| config.oidc.hold_seconds = 30).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    for json in [false, true] {
        let child =
            request(&provider, if json { &["--acr", "epcs", "--json"] } else { &[] }).spawn().unwrap();
        let asked = nurse.asked(&provider).await;
        assert_eq!(asked.transaction.application, "Administrator of the verifier");
        assert_eq!(asked.transaction.message, "EHR: sign order 4711");
        nurse.tap(&provider, &asked).await;
        let output = child.wait_with_output().await.unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{stdout} {}", String::from_utf8_lossy(&output.stderr));
        if json {
            let shown: Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!((&shown["step_up"], &shown["end"]), (&"approved".into(), &"approved".into()));
            assert_eq!(shown["id_claims"]["acr"], "urn:vitalsign:acr:epcs");
            assert_eq!(shown["id_claims"]["aud"], "vitalsign-verifier");
            assert!(shown["tokens"]["access_token"].is_string());
        } else {
            let device = nurse.enrolment().to_string();
            for word in
                ["Approved", "urn:vitalsign:acr:hardware-key", &device, "signatures of both tokens are valid"]
            {
                assert!(stdout.contains(word), "{word}: {stdout}");
            }
            assert!(!stdout.contains("eyJ"), "a token on the terminal: {stdout}");
        }
    }
    let listed = run(&provider, &["step-up", "list"]).await.stdout;
    assert_eq!(listed.matches("approved").count(), 2, "{listed}");
    let code = DeviceCode::of(&nurse.enrolment()).to_string();
    assert_eq!(listed.matches(&code).count(), 2, "{listed}");
    for (filter, count) in [
        (["--user", "nurse-7"], 2),
        (["--user", "NURSE-7"], 2),
        (["--user", "nurse-8"], 0),
        (["--message", "4711"], 2),
        (["--message", "4712"], 0),
        (["--client", "vitalsign-verifier"], 2),
        (["--client", "ehr"], 0),
        (["--since", "1h"], 2),
        (["--since", "2200-01-01"], 0),
    ] {
        let listed = run(&provider, &["step-up", "list", filter[0], filter[1]]).await.stdout;
        assert_eq!(listed.matches("approved").count(), count, "{filter:?} {listed}");
    }
    let unknown = run(&provider, &["step-up", "list", "--user", "nurse-99"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("There is no user nurse-99"), "{}", unknown.stderr);
    let logged = run(&provider, &["audit", "list", "--user", "NURSE-7", "--json"]).await.stdout;
    assert_eq!(logged.matches("step-up-approved").count(), 2, "{logged}");
    let listed = run(&provider, &["step-up", "list", "--limit", "1", "--json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["end"], &listed[0]["redeemed"]), (&"approved".into(), &true.into()));
}

#[tokio::test]
async fn request_command_explains_refusals() {
    let provider = Provider::with(|config| config.oidc.hold_seconds = 30).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let child = request(&provider, &[]).spawn().unwrap();
    let asked = nurse.asked(&provider).await;
    nurse.give_up(&provider, &asked, StepUpResult::NotMine).await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Refused: the person did not start this request"), "{stderr}");

    let child = request(&provider, &["--json"]).spawn().unwrap();
    let asked = nurse.asked(&provider).await;
    nurse.give_up(&provider, &asked, StepUpResult::Declined).await;
    let output = child.wait_with_output().await.unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["step_up"], &shown["end"]), (&"refused".into(), &"declined".into()));

    for (more, code, word) in [
        (&["--acr", "high"][..], 2, "hardware-key"),
        (&["--client", "ehr"], 2, "--secret-file"),
        (&["--details", "{}"], 1, "authorization_details"),
        (&["--expires", "9999"], 2, "300"),
        (&["--device", "7ZA-3T9-KWX"], 2, "typing error"),
        (&["--ca", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let output = request(&provider, more).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{more:?} {stderr}");
        assert!(stderr.contains(word), "{more:?} {stderr}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_stand_in_takes_its_request_back() {
    let provider = Provider::with(|config| config.oidc.hold_seconds = 30).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let mut child = request(&provider, &[]).spawn().unwrap();
    let mut stderr = has_asked(&mut child).await;
    let asked = nurse.asked(&provider).await;
    let interrupt =
        Command::new("kill").arg("-INT").arg(child.id().unwrap().to_string()).status().await.unwrap();
    assert!(interrupt.success());
    let mut rest = String::new();
    while stderr.read_line(&mut rest).await.unwrap() > 0 {}
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    assert!(rest.contains("the application took it back"), "{rest}");
    let listed = run(&provider, &["step-up", "list", "--json"]).await.json();
    assert_eq!(
        (&listed[0]["end"], &listed[0]["step_up"]),
        (&"cancelled".into(), &serde_json::json!(asked.step_up))
    );
}

#[tokio::test]
async fn the_stand_in_can_be_another_application() {
    let provider = Provider::with(|config| config.oidc.hold_seconds = 30).await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    let added = run(
        &provider,
        &["client", "add", "EHR", "--id", "ehr", "--audience", "urn:ehr", "--secret", "--json"],
    )
    .await
    .json();
    let file = provider.lab.folder.path().join("ehr.secret");
    std::fs::write(&file, format!("{}\n", added["secret"].as_str().unwrap())).unwrap();
    let device = nurse.enrolment().to_string();
    let more = ["--client", "ehr", "--secret-file", file.to_str().unwrap(), "--device", &device];
    let child = request(&provider, &more).spawn().unwrap();
    let asked = nurse.asked(&provider).await;
    assert_eq!(asked.transaction.application, "EHR");
    nurse.tap(&provider, &asked).await;
    assert!(child.wait_with_output().await.unwrap().status.success());

    std::fs::write(&file, "wrong").unwrap();
    let output = request(&provider, &more).output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("not known"), "{stderr}");
}

#[tokio::test]
async fn the_key_of_tokens_is_replaced_by_itself() {
    let provider = Provider::start().await;
    let lines = async |arguments: &[&str]| run(&provider, arguments).await.stdout.lines().count();
    let (verdicts, tokens) =
        (lines(&["signing-key", "list"]).await, lines(&["signing-key", "list", "--tokens"]).await);
    let rotated = run(&provider, &["signing-key", "rotate", "--tokens"]).await;
    assert!(rotated.stdout.contains(" on, tokens are signed with "), "{}", rotated.stderr);
    assert_eq!(lines(&["signing-key", "list"]).await, verdicts);
    assert_eq!(lines(&["signing-key", "list", "--tokens"]).await, tokens + 1);
    let logged = run(&provider, &["audit", "list"]).await.stdout;
    assert!(logged.contains("key-rotated") && logged.contains("tokens are signed with"), "{logged}");
}

#[tokio::test]
async fn administrator_is_told_of_an_unknown_user() {
    let provider = Provider::start().await;
    let output = request(&provider, &[]).output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("There is no user nurse-7"), "{stderr}");
}

#[tokio::test]
async fn user_names_differ_in_more_than_case() {
    let provider = Provider::start().await;
    let code = async |arguments: &[&str]| run(&provider, arguments).await.code;
    assert_eq!(code(&["user", "add", "nurse-7"]).await, Some(0));
    let same = run(&provider, &["user", "add", "NURSE-7"]).await;
    assert!(same.code == Some(1) && same.stderr.contains("already"), "{}", same.stderr);
    assert_eq!(code(&["user", "add", "nurse\u{200b}-7"]).await, Some(2));
    assert_eq!(code(&["user", "add", "nurse-70"]).await, Some(0));
    assert_eq!(run(&provider, &["user", "list", "--json"]).await.json().as_array().unwrap().len(), 2);
    let missing = run(&provider, &["user", "disable", "nurse-8"]).await;
    assert!(missing.code == Some(1) && missing.stderr.contains("user list"), "{}", missing.stderr);
}

#[tokio::test]
async fn audit_list_is_newest_first_with_totals() {
    let provider = Provider::start().await;
    for number in 0..5 {
        run(&provider, &["user", "add", &format!("nurse-{number}")]).await;
    }
    let users = |lines: &str| -> Vec<String> {
        let last = |line: &str| {
            let what = line.split(" (by ").next().unwrap_or_default();
            what.rsplit(' ').next().unwrap_or_default().to_owned()
        };
        lines.lines().filter(|line| line.contains("user-added")).map(last).collect()
    };
    let listed = run(&provider, &["audit", "list", "--kind", "user-added", "--limit", "2"]).await;
    assert_eq!(users(&listed.stdout), ["nurse-4", "nurse-3"]);
    assert!(listed.stderr.contains("The newest 2 of 5 entries"), "{}", listed.stderr);
    let listed = run(&provider, &["audit", "list", "--kind", "user-added"]).await;
    assert_eq!((users(&listed.stdout).len(), listed.stderr.as_str()), (5, ""));
    let listed = run(&provider, &["audit", "list", "--user", "nurse-2"]).await;
    assert_eq!(users(&listed.stdout), ["nurse-2"]);
    let json = run(&provider, &["audit", "list", "--user", "nurse-2", "--json"]).await.json();
    let after = json["seq"].to_string();
    let listed = run(&provider, &["audit", "list", "--kind", "user-added", "--after", &after]).await;
    assert_eq!(users(&listed.stdout), ["nurse-3", "nurse-4"]);
    assert_eq!(users(&run(&provider, &["audit", "list", "--since", "2200-01-01"]).await.stdout), [""; 0]);
    assert_eq!(users(&run(&provider, &["audit", "list", "--until", "2020-01-01"]).await.stdout), [""; 0]);
    assert_eq!(users(&run(&provider, &["audit", "list", "--since", "1h"]).await.stdout).len(), 5);

    let proof = run(&provider, &["audit", "prove", &after]).await;
    assert!(proof.code == Some(0) && proof.stdout.starts_with("IN THE LOG: "), "{}", proof.stdout);
    let csv = run(&provider, &["audit", "list", "--user", "nurse-2", "--csv"]).await.stdout;
    assert!(
        csv.starts_with("seq,time,kind,device,by,what\r\n") && csv.contains("\"user-added\",\"\""),
        "{csv}"
    );
    let wrong = run(&provider, &["audit", "list", "--kind", "user-add"]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("user-added"), "{}", wrong.stderr);
    let similar = run(&provider, &["audit", "lisst"]).await;
    assert!(similar.stderr.contains("a similar subcommand exists: 'list'"), "{}", similar.stderr);
}
