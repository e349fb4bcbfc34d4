//! Swap and hibernation: where memory goes when it leaves memory.

use super::mounts::unescape;
use super::stack::{Backing, DeviceNumber, Stacks};
use std::path::Path;
use vitalsign_protocol::fact::Reason;

/// Returns the stack below each swap area in proc_swaps(5), which is a device or a file.
pub(crate) fn areas(stacks: &Stacks<'_>) -> Result<Vec<Result<Vec<Backing>, Reason>>, Reason> {
    let swaps = stacks.root.text_if_there("/proc/swaps")?.unwrap_or_default();
    let lines = swaps.lines().skip(1);
    let areas = lines.map(|line| {
        let mut words = line.split_whitespace();
        let (path, kind) = (words.next().map(unescape), words.next());
        match (path, kind) {
            (Some(path), Some("partition")) => stacks.under_device(stacks.number(&path)?),
            (Some(path), Some("file")) => stacks.under_file(Path::new(&path)),
            _ => Err(Reason::Malformed),
        }
    });
    Ok(areas.collect())
}

/// The stack under the hibernation image, if hibernation is set up: a device to resume from is known to the kernel, or
/// named on its command line.
pub(crate) fn hibernation(stacks: &Stacks<'_>) -> Result<Option<Vec<Backing>>, Reason> {
    let Some(set) = stacks.root.text_if_there("/sys/power/resume")? else { return Ok(None) };
    let device = set.parse::<DeviceNumber>().map_err(|_| Reason::Malformed)?;
    if device.major != 0 {
        return stacks.under_device(device).map(Some);
    }
    match named_device(&stacks.root.text_if_there("/proc/cmdline")?.unwrap_or_default()) {
        // The kernel does not resume from a device that is absent.
        Some(node) if !stacks.root.exists(&node) => Ok(None),
        Some(node) => stacks.under_device(stacks.number(&node)?).map(Some),
        None => Ok(None),
    }
}

/// The path of `resume=`; the last one counts.
fn named_device(cmdline: &str) -> Option<String> {
    let words = || cmdline.split_whitespace();
    if words().any(|word| word == "noresume") {
        return None;
    }
    let device = words().filter_map(|word| word.strip_prefix("resume=")).next_back()?.trim_matches('"');
    Some(match device.split_once('=') {
        Some((tag, value)) => {
            format!("/dev/disk/by-{}/{}", tag.to_ascii_lowercase(), value.trim_matches('"'))
        }
        None => device.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_to_resume_from_is_named_in_several_ways() {
        let table = [
            ("quiet resume=/dev/mapper/vg-swap splash", Some("/dev/mapper/vg-swap")),
            ("resume=UUID=ab-cd", Some("/dev/disk/by-uuid/ab-cd")),
            ("resume=PARTUUID=ab-cd", Some("/dev/disk/by-partuuid/ab-cd")),
            ("resume=/dev/sda1 resume=/dev/sda2", Some("/dev/sda2")),
            ("resume=/dev/sda1 noresume", None),
            ("noresume_is_not=this xresume=/dev/sda1", None),
            ("", None),
        ];
        for (cmdline, expected) in table {
            assert_eq!(named_device(cmdline).as_deref(), expected, "{cmdline}");
        }
    }
}
