//! Checks whether tray icons work: their library is loaded at run time, and the toolkit panics without it.

use std::path::Path;

/// As libappindicator-sys looks for it.
const LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];
/// A library that is there, or nothing here would run.
const NEIGHBOUR: &str = "/libgtk-3.so.0";

/// Returns whether the library for tray icons is installed.
#[must_use]
pub fn has_tray() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| stands_beside(&maps))
}

/// Returns whether the library is in the same folder as GTK (proc_pid_maps(5)).
fn stands_beside(maps: &str) -> bool {
    let path = maps.lines().filter_map(|line| line.find('/').and_then(|at| line.get(at..)));
    let mut folders =
        path.filter(|path| path.contains(NEIGHBOUR)).filter_map(|path| Path::new(path).parent());
    folders.any(|folder| LIBRARIES.iter().any(|library| folder.join(library).exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tray_library_is_searched_beside_gtk() {
        let folder = tempfile::tempdir().unwrap();
        let maps = format!(
            "7f00-7f01 r-xp 0000 00:1a 12  /usr/bin/app\n7f02-7f03 rw-p 0000 00:00 0\n\
             7f04-7f05 r-xp 0000 00:1a 13  {}/libgtk-3.so.0.2406.32\n",
            folder.path().display()
        );
        assert!(!stands_beside(&maps));
        std::fs::write(folder.path().join(LIBRARIES[0]), "").unwrap();
        assert!(stands_beside(&maps));
        assert!(!stands_beside("7f02-7f03 rw-p 0000 00:00 0 [heap]\n"));
    }
}
