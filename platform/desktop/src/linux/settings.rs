//! Pages of the desktop's settings. They are opened by their desktop entries, of which the list is fixed: no text from
//! outside reaches a command line, and an entry whose program is not installed counts as absent.

use crate::SettingsPage::{self, Firewall, ScreenLock, Updates};
use gtk::gdk::prelude::*;
use gtk::gio::DesktopAppInfo;
use std::io;

/// Desktop by its name in `XDG_CURRENT_DESKTOP` (empty: any), page, and desktop entry; the first that is there counts.
const ENTRIES: &[(&str, SettingsPage, &str)] = &[
    ("GNOME", Updates, "org.gnome.Software.desktop"),
    ("KDE", Updates, "org.kde.discover.desktop"),
    ("X-Cinnamon", Updates, "mintupdate.desktop"),
    ("", Updates, "update-manager.desktop"),
    ("", Updates, "org.gnome.PackageUpdater.desktop"),
    ("KDE", Firewall, "kcm_firewall.desktop"),
    ("", Firewall, "gufw.desktop"),
    ("", Firewall, "firewall-config.desktop"),
    // GNOME had a panel for it until 42, has it in the panel of the screen in 43, and under privacy since 44.
    ("GNOME", ScreenLock, "gnome-lock-panel.desktop"),
    ("GNOME", ScreenLock, "gnome-screen-panel.desktop"),
    ("GNOME", ScreenLock, "gnome-privacy-panel.desktop"),
    ("KDE", ScreenLock, "kcm_screenlocker.desktop"),
    ("XFCE", ScreenLock, "xfce4-screensaver-preferences.desktop"),
    ("XFCE", ScreenLock, "light-locker-settings.desktop"),
    ("MATE", ScreenLock, "mate-screensaver-preferences.desktop"),
    ("X-Cinnamon", ScreenLock, "cinnamon-settings-screensaver.desktop"),
];

/// Returns whether this desktop has the page.
#[must_use]
pub fn has_settings(page: SettingsPage) -> bool {
    entry(page).is_some()
}

/// Opens the page in front of the person, who has just pressed for it.
///
/// # Errors
/// The desktop has no such page, or its program does not start.
pub fn open_settings(page: SettingsPage) -> io::Result<()> {
    let entry = entry(page).ok_or(io::ErrorKind::NotFound)?;
    let context = gtk::gdk::Display::default().and_then(|display| display.app_launch_context());
    entry.launch(&[], context.as_ref()).map_err(io::Error::other)
}

fn entry(page: SettingsPage) -> Option<DesktopAppInfo> {
    let desktops = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
    ids(&desktops, page).find_map(DesktopAppInfo::new)
}

/// Returns the desktop entries of a page that fit one of these desktops, which are separated by colons.
fn ids(desktops: &str, page: SettingsPage) -> impl Iterator<Item = &'static str> {
    let fits = move |desktop: &str| desktop.is_empty() || desktops.split(':').any(|it| it == desktop);
    ENTRIES.iter().filter(move |(desktop, of, _)| *of == page && fits(desktop)).map(|(_, _, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_of_the_desktop() {
        for (desktops, page, first) in [
            ("ubuntu:GNOME", ScreenLock, Some("gnome-lock-panel.desktop")),
            ("KDE", ScreenLock, Some("kcm_screenlocker.desktop")),
            ("XFCE", ScreenLock, Some("xfce4-screensaver-preferences.desktop")),
            ("MATE", ScreenLock, Some("mate-screensaver-preferences.desktop")),
            ("X-Cinnamon", ScreenLock, Some("cinnamon-settings-screensaver.desktop")),
            ("GNOME-Classic", ScreenLock, None),
            ("", ScreenLock, None),
            ("", Firewall, Some("gufw.desktop")),
            ("KDE", Firewall, Some("kcm_firewall.desktop")),
            ("MATE", Updates, Some("update-manager.desktop")),
        ] {
            assert_eq!(ids(desktops, page).next(), first, "{desktops} {page:?}");
        }
    }
}
