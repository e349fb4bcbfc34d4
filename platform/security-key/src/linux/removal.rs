//! Notices that a USB security key was removed, for as long as the process runs.
//!
//! A card that leaves a reader is no removal: it is lifted after each tap.

use super::finder::{AttachPoint, Finder, SearchScope};
use crate::ceremony::Failure;
use std::time::Duration;

/// Interval between two scans, each of which lists the raw HID devices. A key that is inserted again within it
/// has another attachment, so that its removal is noticed as well.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Calls `removed` after each removal, on a thread that never ends by itself: when it is dropped, there is no watch.
pub(super) fn watch(scope: &SearchScope, removed: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let unavailable = |error: std::io::Error| Failure::Unavailable(error.to_string());
    let runtime = super::runtime()?;
    let usb = SearchScope { readers: false, source: None, ..scope.clone() };
    let source = scope.source.clone();
    let look = move || {
        let mut finder = Finder::new(&usb);
        let mut before: Vec<AttachPoint> = Vec::new();
        loop {
            let found = runtime.block_on(finder.look());
            let mut now: Vec<AttachPoint> = found.into_iter().map(|found| found.place).collect();
            now.extend(source.as_ref().filter(|source| source.is_there()).map(|_| AttachPoint::Source(0)));
            if before.iter().any(|place| !now.contains(place)) {
                removed();
            }
            before = now;
            std::thread::sleep(WATCH_INTERVAL);
        }
    };
    let thread = std::thread::Builder::new().name("security key watch".to_owned());
    thread.spawn(look).map_err(unavailable)?;
    Ok(())
}
