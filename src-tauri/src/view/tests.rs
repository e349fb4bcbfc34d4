//! The page's types are generated, and each code is documented.

use super::*;
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/bindings.ts");

/// The page's types, each with what it is made of.
fn bindings() -> String {
    let config = ts_rs::Config::default();
    let mut text = "// Generated from src-tauri/src/view.rs by `make bindings`.\n".to_owned();
    macro_rules! declare {
        ($($type:ty),+ $(,)?) => { $(text.push_str(&format!("\nexport {}\n", <$type>::decl(&config)));)+ };
    }
    declare!(
        View,
        Flash,
        AppSettings,
        Page,
        DisconnectReason,
        DeviceView,
        DeviceSettings,
        Tone,
        Headline,
        Contact,
        Check,
        Seen,
        SeenValue,
        Remediator,
        SettingsPage,
        CheckTexts,
        Organisation,
        Downtime,
        Accent,
        Support,
        Prompt,
        Detail,
        Level,
        Step,
        PinAsked,
        PinWhy,
        PromptResult,
        KeyProblem,
        KeyProblemKind,
        Registration,
        KeyList,
        KeyView,
        DiagnosticsText,
        DiagnosticsSent,
        Texts,
        Action,
        Moving,
    );
    text
}

/// Cases of an enum, as they are listed here.
#[test]
fn each_code_is_documented_once() {
    const DOCUMENTED: &str = include_str!("../../../docs/codes.md");
    let kinds = KeyProblemKind::decl(&ts_rs::Config::default());
    let kinds = kinds.matches('"').count() / 2;
    let keys = (1..=kinds).map(|number| format!("K-{number:02}"));
    let device = (1..=7).map(|number| format!("D-{number:02}"));
    for code in keys.chain(device) {
        assert_eq!(DOCUMENTED.matches(&format!("| {code} |")).count(), 1, "{code}");
    }
    let rows = DOCUMENTED.lines().filter(|line| line.starts_with("| K-") || line.starts_with("| D-"));
    assert_eq!(rows.count(), kinds + 7, "a code that does not exist is documented");
}

#[test]
fn the_pages_types_are_these() {
    let wanted = bindings();
    if std::env::var_os("VITALSIGN_BINDINGS").is_some() {
        std::fs::write(FILE, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(there == wanted, "ui/src/bindings.ts is not made from this: run `make bindings`");
}
