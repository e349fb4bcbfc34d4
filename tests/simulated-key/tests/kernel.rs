//! The simulated key as the kernel sees it: a USB device with a `/dev/hidraw`, in a guest whose kernel takes such devices.

#[cfg(all(test, target_os = "linux"))]
mod kernel {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use std::io::{Read, Write};
    use std::time::Duration;
    use vitalsign_simulated_key::{KeyVendor, Options, SimulatedKey, Transport, process, vhci};

    #[test]
    fn usb_over_ip_becomes_a_hidraw_that_speaks_ctaphid() {
        if !vhci::is_there() {
            return vhci::in_a_guest("kernel::usb_over_ip_becomes_a_hidraw_that_speaks_ctaphid").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let maker = KeyVendor::in_folder(folder.path()).unwrap();
        let key = SimulatedKey::start(Options::new(Transport::Usb, &maker)).unwrap();
        let plugged = vhci::Plugged::into_this_kernel(key.usb_address()).unwrap();
        let mut hidraw = process::wait_for("a hidraw", Duration::from_secs(30), || {
            Ok(std::fs::File::options().read(true).write(true).open("/dev/hidraw0").ok())
        })
        .unwrap();

        // CTAPHID_INIT on the broadcast channel (CTAP 2.1, section 11.2.9.1.3), after the number of the report, 0.
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut packet = [0; 65];
        packet[1..8].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x86, 0, 8]);
        packet[8..16].copy_from_slice(&nonce);
        hidraw.write_all(&packet).unwrap();
        let mut answer = [0; 64];
        hidraw.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..7], [0xff, 0xff, 0xff, 0xff, 0x86, 0, 17]);
        assert_eq!(answer[7..15], nonce);

        drop((hidraw, plugged));
        process::wait_for("the hidraw to go", Duration::from_secs(30), || {
            Ok((!std::path::Path::new("/dev/hidraw0").exists()).then_some(()))
        })
        .unwrap();
    }
}
