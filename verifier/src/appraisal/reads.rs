//! Members of the input that each check of a policy reads, found in the policy's syntax tree.
//!
//! A result can be used again for all facts that agree in these members. The analysis may therefore name a member that
//! is never read, and must not miss one that is: whatever it does not understand counts as reading the whole input.

use regorus::Engine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Path of a member of the input: `["posture", "os", "kernel"]`. The empty path is the whole input.
pub(super) type Path = Vec<String>;

/// Paths that a check reads, none below another.
pub(super) type Reads = BTreeSet<Path>;

/// Package of a policy, below `data`.
const PACKAGE: &str = "vitalsign";
/// Rule of the checks.
const CHECKS: &str = "checks";
/// Part of `data` that stays the same for all facts.
const CONSTANTS: &str = "thresholds";
/// Most members of a path. More are of names that go round in circles.
const DEEPEST: usize = 32;

/// A reference: the name at its root, and the members that follow as literals.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    root: String,
    members: Path,
}

/// The definitions of one rule.
#[derive(Default)]
struct Definition {
    references: BTreeSet<Reference>,
    /// The rule is another name for this reference: `posture := input.posture`.
    alias: Option<Reference>,
    count: usize,
}

/// Returns what each check reads, if every check has a separate rule: `checks["name"] := …`.
pub(super) fn of_checks(rego: &str) -> Option<BTreeMap<String, Reads>> {
    let mut engine = Engine::new();
    engine.add_policy("policy".into(), rego.into()).ok()?;
    let trees: Value = serde_json::from_str(&engine.get_ast_as_json().ok()?).ok()?;
    let tree = trees.pointer("/0/ast")?;
    if !imports_only_constants(tree) {
        return None;
    }
    let mut rules: BTreeMap<String, Definition> = BTreeMap::new();
    let mut checks: BTreeMap<String, BTreeSet<Reference>> = BTreeMap::new();
    for rule in tree.get("rules")?.as_array()? {
        let (name, whole, definition) = define(rule)?;
        if name.root == CHECKS {
            let ([check], true) = (name.members.as_slice(), whole) else { return None };
            checks.entry(check.clone()).or_default().extend(definition.references.iter().cloned());
        }
        let known = rules.entry(name.root).or_default();
        known.references.extend(definition.references);
        known.alias = definition.alias;
        known.count += 1;
    }
    let follow = |(check, references)| (check, reads(references, &rules));
    Some(checks.into_iter().map(follow).collect())
}

/// Returns false if an import can give a part of the input, or a rule of the package, another name.
fn imports_only_constants(tree: &Value) -> bool {
    let Some(imports) = tree.get("imports").and_then(Value::as_array) else { return false };
    imports.iter().all(|import| {
        let mut none = BTreeSet::new();
        match import.get("refr").and_then(|reference| chain(reference, &mut none)) {
            Some((Reference { root, members }, _)) if root == "data" => {
                members.first().is_some_and(|first| first == CONSTANTS)
            }
            Some((Reference { root, .. }, _)) => root == "rego",
            None => false,
        }
    })
}

/// Returns the name of a rule (`checks["name"]` as root and member), whether that is all of its name, and what it refers
/// to.
fn define(rule: &Value) -> Option<(Reference, bool, Definition)> {
    let mut definition = Definition { count: 1, ..Definition::default() };
    let references = &mut definition.references;
    let (kind, rule) = only_member(rule)?;
    let (name, whole) = match kind {
        "Spec" => {
            let bodies = rule.get("bodies")?;
            let (kind, head) = only_member(rule.get("head")?)?;
            let (name, whole) = chain(head.get("refr")?, references)?;
            for part in ["args", "assign", "key"] {
                collect(head.get(part).unwrap_or(&Value::Null), references);
            }
            collect(bodies, references);
            if kind == "Compr" && whole && name.members.is_empty() && bodies.as_array()?.is_empty() {
                definition.alias = head
                    .get("assign")
                    .and_then(|assign| assign.get("value"))
                    .and_then(|value| chain(value, &mut BTreeSet::new()))
                    .and_then(|(reference, whole)| whole.then_some(reference));
            }
            (name, whole)
        }
        "Default" => {
            collect(rule.get("value")?, references);
            chain(rule.get("refr")?, references)?
        }
        _ => return None,
    };
    Some((name, whole, definition))
}

fn only_member(value: &Value) -> Option<(&str, &Value)> {
    let mut members = value.as_object()?.iter();
    let (name, value) = members.next()?;
    members.next().is_none().then_some((name.as_str(), value))
}

/// Adds all references in `node`.
fn collect(node: &Value, references: &mut BTreeSet<Reference>) {
    if let Some((reference, _)) = chain(node, references) {
        references.insert(reference);
        return;
    }
    match node {
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Object(members) => {
            // `with` replaces the input, or data, for one expression.
            if members.contains_key("with_mods") {
                references.insert(Reference { root: "input".into(), members: Path::new() });
            }
            members.values().for_each(|member| collect(member, references));
        }
        _ => (),
    }
}

/// Returns the reference that `node` is, up to the first member that is not a literal, and whether it has none such. Adds
/// the references in the others to `references`.
fn chain(node: &Value, references: &mut BTreeSet<Reference>) -> Option<(Reference, bool)> {
    let part = |name: &str| node.get(name).and_then(Value::as_object);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if let Some(variable) = part("Var") {
        return Some((Reference { root: text(variable.get("value"))?, members: Path::new() }, true));
    }
    if let Some(step) = part("RefDot") {
        let (mut reference, whole) = chain(step.get("refr")?, references)?;
        if whole {
            reference.members.push(text(step.get("field")?.get(1))?);
        }
        return Some((reference, whole));
    }
    let step = part("RefBrack")?;
    let index = step.get("index")?;
    let literal = ["String", "RawString"].into_iter().find_map(|kind| text(index.get(kind)?.get("value")));
    if literal.is_none() {
        collect(index, references);
    }
    let (mut reference, whole) = chain(step.get("refr")?, references)?;
    let whole = whole && literal.is_some();
    if let (true, Some(member)) = (whole, literal) {
        reference.members.push(member);
    }
    Some((reference, whole))
}

/// Follows references through the rules to the members of the input.
fn reads(begin: BTreeSet<Reference>, rules: &BTreeMap<String, Definition>) -> Reads {
    let mut reads = Reads::new();
    let mut followed = BTreeSet::new();
    let mut open: Vec<_> = begin.into_iter().collect();
    while let Some(reference) = open.pop() {
        let Reference { root, members } = &reference;
        if members.len() > DEEPEST {
            reads.insert(Path::new());
        } else if root == "input" {
            reads.insert(members.clone());
        } else if root == "data" {
            match members.as_slice() {
                [first, rule, below @ ..] if first == PACKAGE => {
                    open.push(Reference { root: rule.clone(), members: below.to_vec() });
                }
                [first, ..] if first == CONSTANTS => (),
                _ => {
                    reads.insert(Path::new());
                }
            }
        } else if let Some(definition) = rules.get(root)
            && followed.insert(reference.clone())
        {
            match &definition.alias {
                Some(other) if definition.count == 1 => {
                    let members = other.members.iter().chain(members).cloned().collect();
                    open.push(Reference { root: other.root.clone(), members });
                }
                _ => open.extend(definition.references.iter().cloned()),
            }
        }
    }
    let all = reads.clone();
    reads.retain(|path| {
        !all.iter().any(|other| other.len() < path.len() && path.starts_with(other.as_slice()))
    });
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what each check of a policy reads, as `name: path path`.
    fn of(rules: &str) -> Option<Vec<String>> {
        let all = of_checks(&format!("package vitalsign\nimport rego.v1\nimport data.thresholds\n{rules}"))?;
        let line = |(check, reads): (String, Reads)| {
            let paths: Vec<_> = reads.iter().map(|path| format!("/{}", path.join("/"))).collect();
            format!("{check}: {}", paths.join(" "))
        };
        Some(all.into_iter().map(line).collect())
    }

    #[track_caller]
    fn assert_reads(rules: &str, expected: &str) {
        assert_eq!(of(rules).unwrap_or_default(), [expected], "{rules}");
    }

    #[test]
    fn members_are_found_behind_names_and_branches() {
        let rows = [
            (r#"checks["a"] := input.os.kernel.known"#, "a: /os/kernel/known"),
            (r#"checks["a"] := input["os"][`kernel`]"#, "a: /os/kernel"),
            (r#"checks["a"] := 1 if input.x else := input.y if not input.z"#, "a: /x /y /z"),
            (r#"checks["a"] := input.os[input.which].known"#, "a: /os /which"),
            ("p := input.posture\nchecks[\"a\"] := p.os.kernel", "a: /posture/os/kernel"),
            ("p := input.posture\nq := p.os\nchecks[\"a\"] := q.kernel", "a: /posture/os/kernel"),
            ("p := input.x\np := input.y if input.z\nchecks[\"a\"] := p.v", "a: /x /y /z"),
            ("p := input.x if input.z\nchecks[\"a\"] := p.v", "a: /x /z"),
            ("default p := 1\np := input.x if input.z\nchecks[\"a\"] := p", "a: /x /z"),
            ("f(v) := v.known + input.now\nchecks[\"a\"] := f(input.os)", "a: /now /os"),
            ("f(v) := input.x[v]\nchecks[\"a\"] := data.vitalsign.f(1)", "a: /x"),
            ("p := input.x\nchecks[\"a\"] := data.vitalsign.p.y", "a: /x/y"),
            (r#"checks["a"] := [v | some v in input.volumes; v.x == input.y]"#, "a: /volumes /y"),
            (r#"checks["a"] := {k: v | some k, v in input.volumes}"#, "a: /volumes"),
            (r#"checks["a"] := 1 if { every v in input.volumes { v.x == input.y } }"#, "a: /volumes /y"),
            (r#"checks["a"] := 1 if { x := input.posture; x.os == 1 }"#, "a: /posture"),
            (r#"checks["a"] := object.get(input.lock, "source", input.other)"#, "a: /lock /other"),
            (r#"checks["a"] := input.list[_].x"#, "a: /list"),
            (r#"checks["a"] := thresholds["a"].max"#, "a: "),
            (r#"checks["a"] := data.thresholds.a"#, "a: "),
            ("set contains input.x if input.y\nchecks[\"a\"] := count(set)", "a: /x /y"),
            ("obj[input.x] := input.y\nchecks[\"a\"] := obj.z", "a: /x /y"),
            ("p[\"k\"] := input.x\np[\"l\"] := input.y\nchecks[\"a\"] := p.k", "a: /x /y"),
            (r#"checks["a"] := input.x.y if input.x"#, "a: /x"),
            (r#"checks.a := input.x"#, "a: /x"),
        ];
        for (rules, expected) in rows {
            assert_reads(rules, expected);
        }
    }

    #[test]
    fn unknown_forms_read_everything() {
        for rules in [
            r#"checks["a"] := 1 if input.x with input as {"x": 1}"#,
            r#"checks["a"] := 1 if input.x with data.thresholds.y as 2"#,
            r#"checks["a"] := input"#,
            r#"checks["a"] := input[input.x]"#,
            r#"checks["a"] := data.vitalsign"#,
            r#"checks["a"] := data[input.x]"#,
            r#"checks["a"] := data.other.x"#,
            "f(v) := v.x\nchecks[\"a\"] := f(input)",
            "p := q.x\nq := p.y\nchecks[\"a\"] := p",
        ] {
            assert_reads(rules, "a: /");
        }
    }

    #[test]
    fn other_forms_of_checks_are_evaluated_together() {
        for rules in [
            r#"checks := {"a": input.x}"#,
            r#"checks[name] := 1 if some name in input.names"#,
            r#"checks["a"][x] := 1 if some x in input.names"#,
            "import input.posture\nchecks[\"a\"] := posture.os",
            "import data.vitalsign as v\nchecks[\"a\"] := v.p",
        ] {
            assert_eq!(of(rules), None, "{rules}");
        }
    }

    /// One check that reads another reads what that reads.
    #[test]
    fn checks_read_each_other() {
        let rules = "checks[\"a\"] := input.x\nchecks[\"b\"] := data.vitalsign.checks.a";
        assert_eq!(of(rules).unwrap(), ["a: /x", "b: /x"]);
    }
}
