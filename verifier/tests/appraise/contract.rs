//! Requirements for every policy and thresholds file.

use crate::device::*;
use serde_json::json;
use vitalsign_protocol::ear::Trust;
use vitalsign_protocol::posture::Posture;
use vitalsign_verifier::appraisal::{
    AppraiseError, Appraised, Appraiser, DEFAULT_POLICY, DEFAULT_THRESHOLDS, Input, LoadError,
};

fn policy(rules: &str) -> String {
    format!("package vitalsign\nimport rego.v1\nimport data.thresholds\n{rules}")
}

fn answer(rules: &str) -> Result<Appraised, AppraiseError> {
    let appraiser = Appraiser::load(&policy(rules), "").unwrap();
    appraiser.appraise(&Input { posture: &with(&json!({})), key: TPM, boot: PROVEN, now: NOW })
}

#[test]
fn rejects_impossible_thresholds_by_line() {
    for (text, line, part) in [
        (
            "[os-updates]\nmax_day = 15",
            2,
            "[os-updates] has no setting max_day; it has max_days, max_list_age_days",
        ),
        ("[os-updates]\nmax_days = \"15\"", 2, "[os-updates] max_days must be a whole number"),
        ("[os-updates]\n\nmax_days = -1", 3, "max_days must be a whole number from 0"),
        ("[os-updates]\nmax_days = 1.5", 2, "max_days must be a whole number from 0"),
        ("[os-updates]\nmax_days = [1]", 2, "max_days must be a whole number from 0"),
        ("[key-hardware]\naccept_software_keys = 1", 2, "accept_software_keys must be true or false"),
        ("[agent-version]\nmin_version = 1", 2, "min_version must be a text in quotes"),
        ("[lock-idle]\nunsupported = \"fine\"", 2, "unsupported must be \"none\" or \"warning\""),
        ("# first\n[os-update]\nmax_days = 1", 2, "the policy has no check os-update; it has agent-version"),
        ("max_days = 1", 1, "invalid type"),
        ("[os-updates]\nmax_days = ", 2, ""),
        ("[os-updates]\nmax_days = 1\nmax_days = 2", 3, "duplicate key"),
        ("[os-updates\n", 1, ""),
    ] {
        match Appraiser::load(DEFAULT_POLICY, text) {
            Err(LoadError::Thresholds { line: at, what }) => {
                assert_eq!(at, line, "{text:?}: {what}");
                assert!(what.contains(part), "{text:?}: {what}");
            }
            Err(other) => panic!("{text:?}: {other}"),
            Ok(_) => panic!("{text:?} was accepted"),
        }
    }
}

#[test]
fn custom_policy_works_with_default_thresholds() {
    let outcome = r#"{"status": "affirming", "reason": "ok", "claims": {}}"#;
    let rego = policy(&format!(
        r#"checks["house-rule"] := {{"submodule": "agent", "seen": {{}}, "outcome": {outcome}}}"#
    ));
    assert!(Appraiser::load(&rego, DEFAULT_THRESHOLDS).is_ok());
    // Who writes some means checks that there are.
    let written = Appraiser::load(&rego, "[os-updates]\nmax_days = 1");
    assert!(matches!(written, Err(LoadError::Thresholds { line: 1, .. })));
}

#[test]
fn policy_id_depends_on_policy_and_thresholds() {
    let id = |rego: &str, thresholds| Appraiser::load(rego, thresholds).unwrap().policy_id().to_owned();
    let first = id(DEFAULT_POLICY, "");
    assert_eq!(first, id(DEFAULT_POLICY, ""));
    assert_eq!(first.len(), "urn:vitalsign:policy:default:".len() + 16);
    assert_ne!(first, id(DEFAULT_POLICY, "\n"));
    assert_ne!(first, id(&format!("{DEFAULT_POLICY}\n"), ""));
}

#[test]
fn software_keys_need_permission_in_thresholds() {
    let accepts = |text| Appraiser::load(DEFAULT_POLICY, text).unwrap().accepts_software_keys();
    assert!(!accepts(""));
    assert!(accepts("[key-hardware]\naccept_software_keys = true"));
}

#[test]
fn a_policy_that_cannot_be_used_is_refused_at_once() {
    for (rego, part) in [
        ("package vitalsign\nchecks[", "policy:2"),
        ("package other\nimport rego.v1\nchecks := {}", "its package is data.other"),
        ("package vitalsign\nimport rego.v1\nx := 1", "checks"),
        ("package vitalsign\nimport rego.v1\nchecks.a := time.now_ns()", "time.now_ns"),
        ("package vitalsign\nimport rego.v1\nchecks.a := http.send({})", "http.send"),
    ] {
        match Appraiser::load(rego, "") {
            Err(error) => assert!(error.to_string().contains(part), "{rego}: {error}"),
            Ok(_) => panic!("{rego} was accepted"),
        }
    }
}

#[test]
fn an_answer_of_another_form_is_refused_at_once() {
    let outcome = r#""outcome": {"status": "affirming", "reason": "ok"}"#;
    for (checks, part) in [
        ("1".to_owned(), "`checks` is not an object"),
        (r#"{"a": {"submodule": "os"}}"#.to_owned(), "missing field `outcome`"),
        (format!(r#"{{"a": {{"submodule": "mine", {outcome}}}}}"#), "there is no submodule mine"),
        (format!(r#"{{"a": {{"submodule": "os", "when": 1, {outcome}}}}}"#), "unknown field `when`"),
        (r#"{"a": {"submodule": "os", "outcome": {"status": "fine", "reason": "ok"}}}"#.to_owned(), "unknown variant `fine`"),
        (
            r#"{"a": {"submodule": "os", "outcome": {"status": "none", "reason": "ok", "claims": {"hardwear": 2}}}}"#.to_owned(),
            "unknown field `hardwear`",
        ),
        (
            r#"{"a": {"submodule": "os", "outcome": {"status": "none", "reason": "ok", "claims": {"hardware": 200}}}}"#.to_owned(),
            "invalid value: integer `200`",
        ),
    ] {
        match Appraiser::load(&policy(&format!("checks := {checks}")), "") {
            Err(LoadError::Trial(AppraiseError::Malformed(what))) => assert!(what.contains(part), "{checks}: {what}"),
            Err(other) => panic!("{checks}: {other}"),
            Ok(_) => panic!("{checks} was accepted"),
        }
    }
}

#[test]
fn status_is_never_better_than_its_worst_claim() {
    let appraised = answer(
        r#"
        checks["a"] := {"submodule": "os", "outcome": {"status": "affirming", "reason": "ok", "claims": {"configuration": 96}}}
        checks["b"] := {"submodule": "os", "outcome": {"status": "affirming", "reason": "ok", "claims": {"configuration": 2, "hardware": -33}}}
        checks["c"] := {"submodule": "disk", "outcome": {"status": "warning", "reason": "odd"}}
        "#,
    )
    .unwrap();
    let os = &appraised.submods["os"];
    assert_eq!(os.ear_status, BAD);
    let vector = os.ear_trustworthiness_vector.unwrap();
    assert_eq!((vector.configuration, vector.hardware), (Some(Trust(96)), Some(Trust(-33))));
    assert_eq!(appraised.submods["disk"].ear_status, WARN);
    assert_eq!(appraised.status, BAD);
}

#[test]
fn check_without_outcome_is_an_error() {
    let rules = r#"
        checks["a"] := {"submodule": "os", "outcome": {"status": "affirming", "reason": "ok"}} if {
            not input.posture.os.security_updates.known == 0
        }"#;
    match answer(rules) {
        Err(AppraiseError::Malformed(what)) => assert!(what.contains("no outcome of a"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_that_contradict_each_other_are_an_error() {
    let rules = r#"
        checks["a"] := {"submodule": "os", "outcome": {"status": "affirming", "reason": "ok"}}
        checks["a"] := {"submodule": "os", "outcome": {"status": "none", "reason": "ok"}} if {
            input.posture.os.security_updates.known == 0
        }"#;
    assert!(matches!(answer(rules), Err(AppraiseError::Failed(_))), "{:?}", answer(rules));
}

#[test]
fn a_policy_that_does_not_end_is_stopped() {
    let rules = r#"
        endless if {
            input.posture.os.security_updates.known == 0
            some a in numbers.range(1, 1000)
            some b in numbers.range(1, 1000)
            some c in numbers.range(1, 1000)
            a + b + c == 0
        }
        default endless := false
        checks["a"] := {"submodule": "os", "seen": {"endless": endless}, "outcome": {"status": "none", "reason": "ok"}}"#;
    assert_eq!(answer(rules).unwrap_err(), AppraiseError::TimedOut);
}

#[test]
fn custom_rule_is_one_block_and_one_section() {
    let rego = format!(
        "{DEFAULT_POLICY}\n{}",
        r#"
checks["house-kernel"] := {
	"submodule": "os",
	"seen": seen({"kernel": posture.os.kernel}),
	"outcome": house_kernel,
}

house_kernel := unknown("house-kernel", "configuration", [posture.os.kernel]) if {
	not all_known([posture.os.kernel])
} else := good({"configuration": 2}) if {
	startswith(posture.os.kernel.known, thresholds["house-kernel"].prefix)
} else := bad("another-kernel", {"configuration": 96})
"#
    );
    let thresholds = "[house-kernel]\nprefix = '6.12.'\nunsupported = 'none'";
    let appraiser = Appraiser::load(&rego, thresholds).unwrap();
    for (kernel, status, reason) in [
        (known("6.12.57"), GOOD, "ok"),
        (known("6.1.0"), BAD, "another-kernel"),
        (unsupported(), NONE, "unsupported"),
        (unreadable(), WARN, "unreadable"),
    ] {
        let facts = json!({ "os": { "kernel": kernel, "kernel_installed": kernel } });
        let appraised = appraise(&appraiser, &with(&facts), NOW);
        let (submodule, check) = check(&appraised, "house-kernel");
        assert_eq!((submodule, check.status, check.reason.as_str()), ("os", status, reason), "{facts}");
        // Checks that the default policy does not have come after those that it has.
        assert_eq!(appraised.submods["os"].vitalsign_checks.last().unwrap().check, "house-kernel");
    }
}

#[test]
fn a_time_in_changes_at_bounds_the_answer() {
    let rules = |when: &str| {
        format!(
            r#"checks["a"] := {{"submodule": "os", "changes_at": {when},
                "outcome": {{"status": "none", "reason": "ok"}}}}"#
        )
    };
    for (when, seconds) in [
        ("[]".to_owned(), 3600),
        (format!("[{}]", NOW + 10), 10),
        (format!("{{{}, {}}}", NOW + 20, NOW + 10), 10),
        (format!("[{NOW}, {}, -5, 1.5, 99999999999999999999999]", NOW + 7), 7),
        (format!("[{}]", NOW + 7200), 3600),
    ] {
        assert_eq!(answer(&rules(&when)).unwrap().valid_until, NOW + seconds, "{when}");
    }
}

/// The check of the time does not say when it changes, and another check has a new fact half an hour later.
#[test]
fn cached_checks_are_an_hour_old_at_most() {
    let outcome = |reason: &str| format!(r#""outcome": {{"status": "none", "reason": {reason}}}"#);
    let rules = format!(
        "checks[\"time\"] := {{\"submodule\": \"os\", {}}}\nchecks[\"kernel\"] := {{\"submodule\": \"os\", {}}}",
        outcome("format_int(input.now, 10)"),
        outcome("input.posture.os.kernel.known"),
    );
    let appraiser = Appraiser::load(&policy(&rules), "").unwrap();
    let reasons = |kernel: &str, now| {
        let appraised = appraise(&appraiser, &with(&json!({ "os": { "kernel": known(kernel) } })), now);
        ["time", "kernel"].map(|name| check(&appraised, name).1.reason.clone())
    };
    assert_eq!(reasons("1", NOW), [NOW.to_string(), "1".into()]);
    assert_eq!(reasons("2", NOW + 1800), [NOW.to_string(), "2".into()]);
    assert_eq!(reasons("2", NOW + 3599), [NOW.to_string(), "2".into()]);
    assert_eq!(reasons("2", NOW + 3600), [(NOW + 3600).to_string(), "2".into()]);
}

#[test]
fn appraiser_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&appraiser());
    assert!(
        appraiser().appraise(&Input { posture: &Posture::default(), key: TPM, boot: PROVEN, now: 0 }).is_ok()
    );
}
