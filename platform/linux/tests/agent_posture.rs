//! The whole posture of this machine, read twice: what it says and what each probe costs.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::{Duration, Instant};
    use vitalsign_linux::lock::LoginSession;
    use vitalsign_linux::{Root, probes};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::Posture;

    fn collect(memory: &Path) -> (Posture, Duration, BTreeMap<&'static str, Option<Duration>>) {
        let mut times = BTreeMap::new();
        let start = Instant::now();
        let posture = Collector::default().collect(
            probes(&Root::default(), memory, LoginSession::from_environment()),
            |timing| {
                times.insert(timing.name, timing.took);
            },
        );
        (posture, start.elapsed(), times)
    }

    #[test]
    fn this_machine() {
        let memory = tempfile::tempdir().unwrap();
        let (cold_posture, cold, cold_times) = collect(memory.path());
        let (posture, warm, warm_times) = collect(memory.path());
        eprintln!("{}", serde_json::to_string_pretty(&posture).unwrap());
        for (name, took) in &warm_times {
            eprintln!("{name:16} cold {:>10.1?} warm {:>10.1?}", cold_times[name].unwrap(), took.unwrap());
        }
        eprintln!("{:16} cold {cold:>10.1?} warm {warm:>10.1?}", "all");

        // Every fact has been read, or says why not.
        let unread = serde_json::to_value(Fact::<bool>::Unreadable(Reason::NotRead)).unwrap();
        let value = serde_json::to_value(&posture).unwrap();
        for submodule in ["os", "disk", "edr", "firewall", "lock", "boot", "agent"] {
            for (name, fact) in value[submodule].as_object().unwrap() {
                assert_ne!(*fact, unread, "{submodule}.{name}");
            }
        }
        let uname = std::process::Command::new("uname").args(["-r"]).output().unwrap();
        let uname = String::from_utf8(uname.stdout).unwrap();
        assert_eq!(posture.os.kernel, Fact::Known(uname.trim().to_owned()));
        assert_eq!(posture.agent, cold_posture.agent);
        assert_eq!(posture.os.security_updates, cold_posture.os.security_updates);
    }
}
