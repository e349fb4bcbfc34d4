//! PCRs to which a TPM binds a key, and whether they differ if another system is booted.

use crate::{Root, boot};
use vitalsign_protocol::fact::Fact;

/// PCRs that have the same value whatever is booted, so that a policy over them alone releases the key to any live system:
/// firmware, option ROMs and their settings (0 to 3), what the maker of the machine measures (6), what the system measures
/// after the volume is open (15), and what software can reset (16, 23). See the table in section 3.3.4 of the TCG PC Client
/// Platform Firmware Profile, and the Linux TPM PCR Registry of the UAPI Group.
const UNBINDING: [u64; 8] = [0, 1, 2, 3, 6, 15, 16, 23];
/// Secure Boot's state, and who signed what it verified.
const SECURE_BOOT: u64 = 7;
/// PCRs that boot loaders and systems extend, if they do. One that was not extended has the same value in a live system.
/// Firmware extends the others, or none: then the boot is not measured, which is a separate fact.
const OPTIONAL: std::ops::RangeInclusive<u64> = 8..=14;

/// The PCRs of this machine's boot.
#[derive(Clone, Copy)]
pub(crate) struct BootPcrs<'a>(pub(crate) &'a Root);

impl BootPcrs<'_> {
    /// Returns whether one of these PCRs has another value if another system is booted.
    pub(crate) fn any_binds(self, pcrs: &[u64]) -> bool {
        let (optional, others): (Vec<u64>, Vec<u64>) =
            pcrs.iter().copied().filter(|pcr| self.binds(*pcr)).partition(|pcr| OPTIONAL.contains(pcr));
        // The kernel asks the TPM for the value of a PCR, which takes time.
        !others.is_empty() || optional.into_iter().any(|pcr| !self.is_unused(pcr))
    }

    fn binds(self, pcr: u64) -> bool {
        records_boot(pcr) && (pcr != SECURE_BOOT || boot::secure_boot(self.0, &[]) != Fact::Known(false))
    }

    /// Returns whether nothing was measured into a PCR.
    fn is_unused(self, pcr: u64) -> bool {
        let value = self.0.text_if_there(format!("/sys/class/tpm/tpm0/pcr-sha256/{pcr}")).ok().flatten();
        value.is_some_and(|value| !value.is_empty() && value.bytes().all(|digit| digit == b'0'))
    }
}

/// Returns whether a PCR is one that records what was booted.
pub(crate) fn records_boot(pcr: u64) -> bool {
    !UNBINDING.contains(&pcr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Firmware with Secure Boot in this state, and PCRs of which one was not extended.
    fn machine(secure_boot: Option<u8>, unused: u64) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        if let Some(state) = secure_boot {
            let name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
            write(name, &[6, 0, 0, 0, state]);
        }
        for pcr in 0..24 {
            let value = if pcr == unused { "0" } else { "A" }.repeat(64);
            write(&format!("sys/class/tpm/tpm0/pcr-sha256/{pcr}"), format!("{value}\n").as_bytes());
        }
        tree
    }

    #[test]
    fn pcr_binds_if_another_system_changes_it() {
        for (secure_boot, unused, pcrs, expected) in [
            (Some(1), 99, &[7][..], true),
            (Some(0), 99, &[7], false),
            (None, 99, &[7], true),
            (Some(0), 99, &[0, 2, 7], false),
            (Some(0), 99, &[4, 7], true),
            (Some(0), 99, &[7, 11], true),
            (Some(0), 11, &[7, 11], false),
            (Some(1), 11, &[7, 11], true),
            (Some(1), 11, &[11], false),
            (Some(1), 12, &[11, 12], true),
            (Some(1), 99, &[0, 1, 2, 3, 6, 15, 16, 23], false),
            (Some(1), 99, &[], false),
        ] {
            let tree = machine(secure_boot, unused);
            let root = Root::at(tree.path());
            assert_eq!(BootPcrs(&root).any_binds(pcrs), expected, "{secure_boot:?} {unused} {pcrs:?}");
        }
        let elsewhere = Root::at("/nonexistent");
        assert!(BootPcrs(&elsewhere).any_binds(&[11]), "no PCRs to read");
    }
}
