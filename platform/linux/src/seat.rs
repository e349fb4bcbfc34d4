//! Finds the session in front of this machine, whose user sees the screen and has the keyboard.
//!
//! logind writes it to a file for each seat, which sd_seat_get_active(3) also reads, and updates it when
//! another session comes to the front. A user in the background or over the network is in front of no seat.

use crate::Root;

pub(crate) const SEATS: &str = "/run/systemd/seats";

/// Returns the users in front of this machine's seats, at most one for each seat. `None` if no seats are
/// kept, so that this is unknown.
///
/// An unreadable seat counts as empty.
#[must_use]
pub fn in_front(root: &Root) -> Option<Vec<u32>> {
    let names = match root.names(SEATS) {
        Ok(names) => names,
        Err(_) => return Some(Vec::new()),
    };
    // logind's own unfinished files begin with a dot.
    let seats: Vec<_> = names.into_iter().filter(|name| !name.starts_with('.')).collect();
    if seats.is_empty() {
        return None;
    }
    Some(seats.iter().filter_map(|seat| active_user(&root.text(format!("{SEATS}/{seat}")).ok()?)).collect())
}

fn active_user(seat: &str) -> Option<u32> {
    seat.lines().find_map(|line| line.strip_prefix("ACTIVE_UID="))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As logind 252 writes it.
    fn seat(active: &str) -> String {
        format!(
            "# This is private data. Do not parse.\nIS_SEAT0=1\nCAN_MULTI_SESSION=1\nCAN_TTY=1\nCAN_GRAPHICAL=1\n\
             {active}SESSIONS=2 5\nUIDS=1000 1001\n"
        )
    }

    #[test]
    fn the_user_in_front_is_the_active_one_of_each_seat() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        assert_eq!(in_front(&root), None, "no logind");
        let seats = root.path(SEATS);
        fs::create_dir_all(&seats).unwrap();
        assert_eq!(in_front(&root), None, "a logind that has not come yet");

        fs::write(seats.join("seat0"), seat("ACTIVE=2\nACTIVE_UID=1000\n")).unwrap();
        assert_eq!(in_front(&root), Some(vec![1000]));
        fs::write(seats.join(".#seat0x7"), seat("ACTIVE=5\nACTIVE_UID=1001\n")).unwrap();
        assert_eq!(in_front(&root), Some(vec![1000]), "half of the next one");
        fs::write(seats.join("seat1"), seat("ACTIVE=9\nACTIVE_UID=1002\n")).unwrap();
        assert_eq!(in_front(&root), Some(vec![1000, 1002]));
        fs::write(seats.join("seat1"), seat("")).unwrap();
        assert_eq!(in_front(&root), Some(vec![1000]));
    }

    #[test]
    fn unreadable_seat_has_no_user_in_front() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let seats = root.path(SEATS);
        fs::create_dir_all(seats.parent().unwrap()).unwrap();
        fs::write(&seats, "no folder").unwrap();
        assert_eq!(in_front(&root), Some(vec![]));
        fs::remove_file(&seats).unwrap();
        fs::create_dir_all(seats.join("seat0")).unwrap();
        assert_eq!(in_front(&root), Some(vec![]), "a folder");
        for garbage in
            ["", "ACTIVE_UID=", "ACTIVE_UID=-1", "ACTIVE_UID=nurse", "ACTIVE_UID=4294967296", "UIDS=1000"]
        {
            fs::write(seats.join("seat1"), garbage).unwrap();
            assert_eq!(in_front(&root), Some(vec![]), "{garbage:?}");
        }
    }
}
