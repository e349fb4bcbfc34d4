//! Edges between crates that `docs/architecture.md` rules out, checked on the graph that Cargo builds from.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crates that hold the device's key, or decide what the agent does.
const DEVICE: [&str; 4] =
    ["vitalsign-host", "vitalsign-tpm-client", "vitalsign-keychain", "vitalsign-agent-core"];
/// Crates that read facts. In a session they read its settings only, through `vitalsign-session-settings`.
const PROBES: [&str; 2] = ["vitalsign-linux", "vitalsign-tpm"];

/// Direct normal dependencies of each package on this system, by name.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn of_workspace() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &host()])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
        Self(
            nodes
                .iter()
                .map(|node| (names[node["id"].as_str().unwrap()].to_owned(), normal(node, &names)))
                .collect(),
        )
    }

    /// Everything that a package is built from, itself excluded.
    fn below(&self, package: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.0.get_key_value(package).expect(package).0.as_str()];
        while let Some(next) = open.pop() {
            for dependency in &self.0[next] {
                if found.insert(dependency.as_str()) {
                    open.push(dependency);
                }
            }
        }
        found
    }

    fn assert_absent(&self, package: &str, absent: &[&str]) {
        let below = self.below(package);
        let present: Vec<_> = absent.iter().filter(|name| below.contains(*name)).collect();
        assert!(present.is_empty(), "{package} must not depend on {present:?}");
    }

    /// The workspace's crates below a package.
    fn ours(&self, package: &str) -> BTreeSet<&str> {
        self.below(package).into_iter().filter(|name| name.starts_with("vitalsign-")).collect()
    }
}

/// The compiler's own target. For others, the packages need not have been downloaded.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn normal(node: &Value, names: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let is_normal = |dependency: &&Value| {
        dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
    };
    let dependencies = node["deps"].as_array().unwrap().iter().filter(is_normal);
    dependencies.map(|dependency| names[dependency["pkg"].as_str().unwrap()].to_owned()).collect()
}

#[test]
fn session_programs_have_no_device_crates() {
    let graph = Graph::of_workspace();
    for package in
        ["vitalsign-session", "vitalsign-app", "vitalsign-client", "vitalsign-ipc", "vitalsign-security-key"]
    {
        graph.assert_absent(package, &DEVICE);
    }
    for package in ["vitalsign-client", "vitalsign-ipc", "vitalsign-security-key"] {
        graph.assert_absent(package, &PROBES);
    }
    let users: Vec<_> = ["vitalsign-session", "vitalsign-app", "vitalsign-desktop"]
        .into_iter()
        .filter(|package| graph.0[*package].contains("vitalsign-linux"))
        .collect();
    assert!(users.is_empty(), "{users:?} must read settings through vitalsign-session-settings");
}

#[test]
fn service_has_no_window_toolkit() {
    Graph::of_workspace()
        .assert_absent("vitalsign-service", &["tauri", "gtk", "webkit2gtk", "vitalsign-desktop"]);
}

/// All that runs as root, besides the programs that it runs: no network, no cryptography, no parser, no runtime.
#[test]
fn helper_for_root_is_small() {
    let graph = Graph::of_workspace();
    assert_eq!(graph.ours("vitalsign-helper"), BTreeSet::from(["vitalsign-command"]));
    // errno, libc and serde_core come only with features that other programs of the workspace ask for.
    let accepted =
        ["bitflags", "errno", "libc", "linux-raw-sys", "rustix", "serde_core", "vitalsign-command"];
    let below = graph.below("vitalsign-helper");
    assert!(below.is_subset(&BTreeSet::from(accepted)), "{below:?}");
}

#[test]
fn verifier_has_no_platform_crates() {
    let graph = Graph::of_workspace();
    let below = graph.ours("vitalsign-verifier");
    assert_eq!(
        below,
        BTreeSet::from(["vitalsign-protocol", "vitalsign-tpm", "vitalsign-webauthn", "vitalsign-x509"])
    );
}

#[test]
fn pure_crates_do_no_io() {
    let graph = Graph::of_workspace();
    assert!(graph.ours("vitalsign-protocol").is_empty());
    assert!(graph.ours("vitalsign-x509").is_empty());
    assert_eq!(graph.ours("vitalsign-tpm"), BTreeSet::from(["vitalsign-protocol", "vitalsign-x509"]));
    assert_eq!(
        graph.ours("vitalsign-agent-core"),
        BTreeSet::from(["vitalsign-ipc", "vitalsign-platform-api", "vitalsign-protocol"])
    );
    for package in
        ["vitalsign-protocol", "vitalsign-x509", "vitalsign-tpm", "vitalsign-agent-core", "vitalsign-ipc"]
    {
        graph.assert_absent(package, &["tokio", "rustix", "reqwest"]);
    }
}
