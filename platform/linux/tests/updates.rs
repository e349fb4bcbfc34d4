//! Waiting security updates: against apt's own answer on this machine, and from recorded trees.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::process::Command;
    use std::time::SystemTime;
    use vitalsign_linux::run::Commands;
    use vitalsign_linux::{Root, date, updates};
    use vitalsign_protocol::fact::Fact;

    /// `name:architecture` of every package that apt lists as upgradable, and the suites that offer its candidate.
    fn apt_says() -> BTreeMap<String, String> {
        let output = Command::new("apt").args(["list", "--upgradable"]).env("LC_ALL", "C").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let row = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (name, suites) = words.next()?.split_once('/')?;
            let (_version, architecture) = (words.next()?, words.next()?);
            let native = if architecture == "all" { std::env::consts::ARCH } else { architecture };
            Some((
                format!("{name}:{}", native.replace("x86_64", "amd64").replace("aarch64", "arm64")),
                suites.to_owned(),
            ))
        };
        text.lines().filter_map(row).collect()
    }

    /// Returns whether apt knows a version from a security suite that is hidden between the installed version
    /// and the candidate.
    fn hides_a_fix(package: &str) -> bool {
        let output = Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let newer = text.split("Version table:").nth(1).unwrap().split(" *** ").next().unwrap();
        newer.contains("-security/")
    }

    #[test]
    fn as_many_as_apt_says() {
        let memory = tempfile::tempdir().unwrap();
        let now = date::seconds(SystemTime::now());
        let start = std::time::Instant::now();
        let seen = updates::read(&Root::default(), &Commands::Live, memory.path(), now);
        let cold = start.elapsed();
        let Fact::Known(waiting) = seen.waiting else {
            eprintln!("no fresh lists of a security suite here: {seen:?}");
            return;
        };
        let kept = std::fs::read(memory.path().join("updates.json")).unwrap();
        let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
        let ours =
            kept["waiting"].as_object().unwrap().keys().map(|key| key.split(' ').next().unwrap().to_owned());
        let ours: BTreeSet<_> = ours.collect();
        let apt = apt_says();
        let theirs =
            apt.iter().filter(|(_, suites)| suites.contains("-security")).map(|(name, _)| name.clone());
        let theirs: BTreeSet<_> = theirs.collect();
        assert_eq!(u64::try_from(ours.len()), Ok(waiting));
        assert_eq!(
            theirs.difference(&ours).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "apt alone lists these"
        );
        // A newer version from the main archive hides the security update that it contains: apt lists the package, but
        // as an ordinary update.
        let hidden: Vec<_> = ours.difference(&theirs).collect();
        for name in &hidden {
            assert!(apt.contains_key(*name) && hides_a_fix(name), "{name} is listed by us alone");
        }
        let start = std::time::Instant::now();
        let again = updates::read(&Root::default(), &Commands::Live, memory.path(), now + 1);
        let warm = start.elapsed();
        assert_eq!(again, seen, "the second reading remembers the first");
        eprintln!("apt {} + {} hidden = {waiting}; cold {cold:?}, warm {warm:?}", theirs.len(), hidden.len());
    }
}
