//! Runs `vitalsign check` on cases from public bug trackers: recorded trees, and firewall rules in a network namespace, with
//! real connections from another.
//!
//! A case is a folder with `expected.txt`, in which each line `EXPECT pointer = json` names a fact and its right value.
//! `input.tree` is laid out as a root (see `scripts/lay-out-tree.py`); `firewall.sh` runs in a network namespace. The
//! cases are not part of this repository: `VITALSIGN_CASES` names their folder. Those in the folder `cases` are, as trees
//! with the expectations, and further arguments (`ARGS`), in their comments.
#![cfg(target_os = "linux")]

#[cfg(test)]
#[path = "posture_cases/outside.rs"]
mod outside;

#[cfg(test)]
mod tests {
    use super::outside::{Namespace, is_open};
    use serde_json::Value;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Cases whose facts are still wrong. Remove a case when its kind of fault is fixed; the test fails if it is not.
    const WRONG: &[&str] = &[];

    fn cases() -> Option<PathBuf> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/posture");
        let folder = std::env::var_os("VITALSIGN_CASES").map_or(beside, PathBuf::from);
        folder.is_dir().then_some(folder)
    }

    fn succeeded(command: &mut Command) -> Vec<u8> {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Facts of a recorded tree, and what `setup.sh` beside it changes.
    fn offline(tree: &Path, setup: Option<&Path>, arguments: &str) -> Value {
        let root = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/lay-out-tree.py");
        succeeded(Command::new("python3").arg(script).arg(tree).arg(root.path()));
        if let Some(setup) = setup.filter(|setup| setup.exists()) {
            succeeded(Command::new("bash").arg("-e").arg(setup).current_dir(root.path()));
        }
        let mut check = Command::new(env!("CARGO_BIN_EXE_vitalsign"));
        check.args(["check", "--json", "--root"]).arg(root.path());
        if let ["--session", desktop, folder] = arguments.split_whitespace().collect::<Vec<_>>().as_slice() {
            check.arg("--session").arg(format!("{desktop}={folder}"));
        }
        serde_json::from_slice(&succeeded(&mut check)).unwrap()
    }

    /// Facts in a network namespace with the case's rules. They have to agree with connections from outside.
    fn in_namespace(case: &Path) -> Value {
        let (inside, outside) = (Namespace::new(), Namespace::new());
        inside.run(&format!("ip link set lo up; bash -e '{}' >&2", case.join("firewall.sh").display()));
        inside.connect_to(&outside);
        let facts = inside.run(&format!("exec '{}' check --json", env!("CARGO_BIN_EXE_vitalsign")));
        let facts = serde_json::from_slice(&facts).unwrap();
        let ports = [22, 8080, 27_050];
        let _listening = inside.listen(&ports);
        // A port can be open to a tunnel only, to which the line does not lead.
        let has_tunnel = !inside.run("ip -o link show type tun").is_empty();
        for port in ports {
            if let Some(open) = is_open(&facts, port).filter(|open| !(*open && has_tunnel)) {
                assert_eq!(outside.connects(port, open), open, "{}: port {port}", case.display());
            }
        }
        facts
    }

    /// The expectations that the facts do not meet.
    fn differences(case: &Path) -> Vec<String> {
        let live = case.join("firewall.sh").exists();
        let facts = if live {
            in_namespace(case)
        } else {
            let arguments = fs::read_to_string(case.join("args")).unwrap_or_default();
            offline(&case.join("input.tree"), Some(&case.join("setup.sh")), &arguments)
        };
        unmet(&fs::read_to_string(case.join("expected.txt")).unwrap(), &facts)
    }

    fn unmet(expected: &str, facts: &Value) -> Vec<String> {
        let lines = expected.lines().map(|line| line.trim_start_matches("# "));
        let expected = lines.filter_map(|line| line.strip_prefix("EXPECT ")?.split_once(" = "));
        let mut differences = Vec::new();
        for (pointer, right) in expected {
            let right: Value = serde_json::from_str(right).unwrap();
            let path = format!("/posture/{}", pointer.replace('.', "/"));
            let found = facts.pointer(&path).cloned().unwrap_or_default();
            if found != right {
                differences.push(format!("{pointer} = {found}, right: {right}"));
            }
        }
        differences
    }

    #[test]
    fn facts_of_public_cases_are_right() {
        let Some(folder) = cases() else {
            println!("SKIPPED: the posture cases are not on this machine");
            return;
        };
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.is_dir());
        names.sort();
        let mut failures = Vec::new();
        for case in &names {
            let name = case.file_name().unwrap().to_str().unwrap();
            let (differences, known) = (differences(case), WRONG.contains(&name));
            match (differences.is_empty(), known) {
                (true, true) => failures.push(format!("{name}: right now; remove it from WRONG")),
                (false, false) => failures.push(format!("{name}: {}", differences.join("; "))),
                _ => println!("{name}: {}", if known { "wrong, as known" } else { "right" }),
            }
        }
        assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), names.len(), failures.join("\n"));
    }

    #[test]
    fn facts_of_further_systems_are_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
        let mut trees: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        trees.retain(|path| path.extension().is_some_and(|end| end == "tree"));
        assert!(!trees.is_empty());
        let mut failures = Vec::new();
        for tree in trees {
            let text = fs::read_to_string(&tree).unwrap();
            assert!(text.contains("\n# EXPECT "), "{}", tree.display());
            let arguments = text.lines().find_map(|line| line.strip_prefix("# ARGS ")).unwrap_or_default();
            let differences = unmet(&text, &offline(&tree, None, arguments));
            if !differences.is_empty() {
                failures.push(format!("{}: {}", tree.display(), differences.join("; ")));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
