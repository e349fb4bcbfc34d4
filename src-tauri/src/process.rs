//! The process: the environment visible to the web view, and the restart after the last page has closed.

use crate::arguments::AppArgs;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

/// Prefixes of variables that control web views: drivers, inspectors, and developer switches of WebKit and
/// GTK.
const FOREIGN: [&str; 4] = ["TAURI_", "WEBKIT_", "JSC_", "GTK_DEBUG"];
/// A window with text needs no graphics driver: without one the app takes 30 MB less and shows its page sooner.
const OURS: [(&str, &str); 2] = [("GDK_GL", "disable"), ("WEBKIT_DISABLE_DMABUF_RENDERER", "1")];

/// Name of a variable and its required value.
type Change = (OsString, Option<&'static str>);

/// Restarts this program if its environment must be changed, so that a release build cannot be driven or
/// inspected through it.
pub(crate) fn settle() -> anyhow::Result<()> {
    let changes = changes(std::env::vars_os(), !cfg!(debug_assertions));
    if changes.is_empty() {
        return Ok(());
    }
    let mut program = Command::new(program()?);
    program.args(std::env::args_os().skip(1));
    for (name, value) in changes {
        match value {
            Some(value) => program.env(name, value),
            None => program.env_remove(name),
        };
    }
    become_program(&mut program)
}

/// Restarts the app in the background. A web view leaves behind some 80 MB, a process, and text about the
/// person from its page; only a restart releases these.
pub(crate) fn restart_in_background(arguments: &AppArgs) -> anyhow::Result<()> {
    let mut program = Command::new(program()?);
    vitalsign_desktop::kill_web_processes();
    become_program(program.arg("--background").arg("--socket").arg(&arguments.socket))
}

/// This program's file: after an update the new one, which lies where this one lay.
fn program() -> std::io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    let lay = file.to_str().and_then(|file| file.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(lay.filter(|lay| lay.exists()).unwrap_or(file))
}

fn become_program(program: &mut Command) -> anyhow::Result<()> {
    let status = vitalsign_os::become_program(program)?;
    // Where a process cannot become another one, it has waited for it.
    std::process::exit(status.code().unwrap_or(3))
}

/// Returns the required changes of an environment.
fn changes(there: impl Iterator<Item = (OsString, OsString)>, released: bool) -> Vec<Change> {
    let there: Vec<(OsString, OsString)> = there.collect();
    let ours = |name: &OsStr| OURS.iter().any(|(ours, _)| name == *ours);
    let foreign = |name: &OsStr| FOREIGN.iter().any(|start| name.to_string_lossy().starts_with(start));
    let removed = there.iter().filter(|(name, _)| released && foreign(name) && !ours(name));
    let removed = removed.map(|(name, _)| (name.clone(), None));
    let is = |(name, value): &(&str, &str)| there.iter().any(|(n, v)| n == name && v == value);
    let set = OURS.into_iter().filter(|it| !is(it)).map(|(name, value)| (name.into(), Some(value)));
    removed.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(there: &[(&str, &str)], released: bool) -> Vec<(String, Option<&'static str>)> {
        let there = there.iter().map(|(name, value)| (name.into(), value.into()));
        changes(there, released)
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value))
            .collect()
    }

    #[test]
    fn release_build_removes_driver_variables() {
        let outside = [
            ("HOME", "/home/nurse"),
            ("TAURI_WEBVIEW_AUTOMATION", "true"),
            ("WEBKIT_INSPECTOR_SERVER", "127.0.0.1:9222"),
            ("WEBKIT_INSPECTOR_HTTP_SERVER", "127.0.0.1:9223"),
            ("JSC_dumpOptions", "1"),
            ("GTK_DEBUG", "interactive"),
            ("WEBKIT_DISABLE_DMABUF_RENDERER", "0"),
        ];
        let ours = OURS.map(|(name, value)| (name.to_owned(), Some(value)));
        let mut wanted: Vec<_> = outside[1..6].iter().map(|(name, _)| ((*name).to_owned(), None)).collect();
        wanted.extend(ours.clone());
        assert_eq!(changed(&outside, true), wanted);
        // A build for tests can be driven, or nothing could test the page.
        assert_eq!(changed(&outside, false), ours);
    }

    #[test]
    fn restarts_at_most_once() {
        let settled = OURS.map(|(name, value)| (name, value));
        assert_eq!(changed(&settled, true), []);
        assert_eq!(changed(&settled, false), []);
    }
}
