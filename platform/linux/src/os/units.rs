//! Units of systemd: whether a timer or service is started at boot, and whether what it starts can run.

use crate::Root;
use std::collections::BTreeMap;
use std::path::Path;

/// Folders of units; a unit in an earlier one replaces a unit of the same name in a later one (systemd.unit(5)).
const FOLDERS: [&str; 9] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Targets that a boot reaches.
const TARGETS: [&str; 5] =
    ["timers.target", "multi-user.target", "default.target", "graphical.target", "basic.target"];

/// UnitSettings of a unit and its drop-ins, by name. An empty assignment clears a list, and leaves it empty.
type UnitSettings = BTreeMap<String, Vec<String>>;

/// Returns whether some unit of this name is installed.
pub(super) fn is_installed(root: &Root, unit: &str) -> bool {
    FOLDERS.iter().any(|folder| root.exists(format!("{folder}/{unit}")))
}

/// Returns whether a boot starts this timer, and the timer can start its service: neither is masked, the timer has a
/// time, and the service starts `program` (a part of its command).
pub(super) fn timer_runs(root: &Root, timer: &str, program: &str) -> bool {
    let settings = settings(root, timer);
    let triggers: Vec<_> = settings.iter().filter(|(name, _)| name.starts_with("On")).collect();
    let has_time = triggers.is_empty() || triggers.iter().any(|(_, times)| !times.is_empty());
    is_started(root, timer) && has_time && can_run(root, &service_of(timer, &settings), program)
}

/// Returns whether a command of the timer's service has this argument.
pub(super) fn timer_passes(root: &Root, timer: &str, argument: &str) -> bool {
    let service = settings(root, &service_of(timer, &settings(root, timer)));
    let has = |command: &String| command.split_ascii_whitespace().any(|word| word == argument);
    service.get("ExecStart").is_some_and(|commands| commands.iter().any(has))
}

fn service_of(timer: &str, settings: &UnitSettings) -> String {
    let own = timer.strip_suffix(".timer").map(|name| format!("{name}.service")).unwrap_or_default();
    settings.get("Unit").and_then(|units| units.last()).cloned().unwrap_or(own)
}

/// Returns whether a boot starts this service, and it starts `program` (a part of its command).
pub(super) fn service_runs(root: &Root, service: &str, program: &str) -> bool {
    is_started(root, service) && can_run(root, service, program)
}

/// A target wants it, and it is not masked. A link to a unit that is gone starts nothing.
fn is_started(root: &Root, unit: &str) -> bool {
    let wanted = |folder: &str, target: &str, kind: &str| {
        let link = format!("{folder}/{target}.{kind}/{unit}");
        root.exists(&link)
            && (root.link(&link).is_err() || root.resolve(&link).is_ok() || is_installed(root, unit))
    };
    let wanted = FOLDERS.iter().any(|folder| {
        TARGETS.iter().any(|target| wanted(folder, target, "wants") || wanted(folder, target, "requires"))
    });
    wanted && !is_masked(root, unit)
}

/// The unit that counts is a link to `/dev/null`, or an empty file of an administrator.
fn is_masked(root: &Root, unit: &str) -> bool {
    let Some(path) = FOLDERS.iter().map(|folder| format!("{folder}/{unit}")).find(|path| root.exists(path))
    else {
        return false;
    };
    let to_null = root.link(&path).is_ok_and(|target| target == Path::new("/dev/null"));
    let by_person = path.starts_with("/etc/") || path.starts_with("/run/");
    to_null || by_person && root.stamp(&path).is_ok_and(|stamp| stamp.size == 0)
}

fn can_run(root: &Root, service: &str, program: &str) -> bool {
    let settings = settings(root, service);
    let commands = settings.get("ExecStart");
    let starts = commands.is_none_or(|commands| commands.iter().any(|command| command.contains(program)));
    let missing = |condition: &String| {
        let (wanted, path) = match condition.strip_prefix('!') {
            Some(path) => (false, path),
            None => (true, condition.as_str()),
        };
        // `|` begins alternatives, which are not decided here.
        path.starts_with('/') && !path.contains('%') && root.exists(path) != wanted
    };
    let conditions =
        ["ConditionPathExists", "AssertPathExists"].iter().filter_map(|name| settings.get(*name));
    starts && !conditions.flatten().any(missing) && !is_masked(root, service)
}

fn settings(root: &Root, unit: &str) -> UnitSettings {
    let mut settings = UnitSettings::new();
    let main = FOLDERS.iter().map(|folder| format!("{folder}/{unit}")).find(|path| root.exists(path));
    let mut texts: Vec<_> = main.into_iter().collect();
    // Of drop-ins with the same name the one in the first folder counts; they apply in the order of their names.
    let mut drop_ins: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        let folder = format!("{folder}/{unit}.d");
        for name in root.names(&folder).unwrap_or_default() {
            if name.ends_with(".conf") {
                drop_ins.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
            }
        }
    }
    texts.extend(drop_ins.into_values());
    for path in texts {
        let text = root.text_if_there(path).ok().flatten().unwrap_or_default().replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '['])) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let values = settings.entry(name.trim().to_owned()).or_default();
            match value.trim() {
                "" => values.clear(),
                value => values.push(value.to_owned()),
            }
        }
    }
    settings
}
