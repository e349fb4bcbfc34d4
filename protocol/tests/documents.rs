//! Checks that files and tests named in the documents exist.

#[cfg(test)]
mod documents {
    use std::path::PathBuf;

    const SECURITY: &str = include_str!("../../docs/security.md");
    const PRIVACY: &str = include_str!("../../docs/privacy.md");
    const INTEGRATE: &str = include_str!("../../docs/integrate.md");
    const HELPDESK: &str = include_str!("../../docs/helpdesk.md");
    const CODES: &str = include_str!("../../docs/codes.md");
    const DOCUMENTS: [&str; 13] = [
        PRIVACY,
        INTEGRATE,
        HELPDESK,
        CODES,
        include_str!("../../docs/auditor.md"),
        SECURITY,
        include_str!("../../docs/architecture.md"),
        include_str!("../../docs/organisation.md"),
        include_str!("../../docs/policy.md"),
        include_str!("../../docs/style.md"),
        include_str!("../../docs/supported-platforms.md"),
        include_str!("../../CONTRIBUTING.md"),
        include_str!("../../README.md"),
    ];

    fn root() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    /// Returns the inline code spans of a document, outside code blocks.
    fn code(document: &str) -> Vec<&str> {
        let prose = document.split("\n```").step_by(2);
        prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
    }

    #[test]
    fn every_test_that_security_rests_on_is_there() {
        let all = code(SECURITY);
        let pairs: Vec<_> = all.windows(2).filter(|pair| pair[0].ends_with(".rs")).collect();
        assert!(pairs.len() > 30, "only {} tests are named", pairs.len());
        for pair in pairs {
            let (file, test) = (pair[0], pair[1]);
            let source =
                std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let (before, _) = (source.split_once(&format!("fn {test}()")))
                .unwrap_or_else(|| panic!("docs/security.md names {test}, which is not in {file}"));
            let attributes = before.rsplit("\n\n").next().unwrap_or_default();
            assert!(attributes.contains("test"), "{test} in {file} is no test");
        }
    }

    /// Facts of each record of the posture, by field name.
    fn facts() -> Vec<&'static str> {
        const POSTURE: &str = include_str!("../src/posture.rs");
        let number = |line: &str| line.split_once(' ').is_some_and(|(first, _)| first.parse::<u8>().is_ok());
        let lines = POSTURE.lines().map(str::trim).filter(|line| number(line) && line.contains(": "));
        let names = lines.filter_map(|line| line.split([' ', ':']).nth(1));
        names.filter(|name| !matches!(*name, "first" | "last")).collect()
    }

    #[test]
    fn privacy_notice_lists_exactly_the_facts() {
        let rows = PRIVACY.lines().filter(|line| line.starts_with("| ") && line.contains(" (`"));
        let cells = rows.filter_map(|row| row.split(" | ").nth(1));
        let mut listed: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let mut collected = facts();
        assert!(collected.len() > 50, "only {} facts are read from the source", collected.len());
        listed.sort_unstable();
        collected.sort_unstable();
        assert_eq!(listed, collected, "docs/privacy.md and protocol/src/posture.rs differ");
    }

    #[test]
    fn integration_guide_lists_every_result() {
        for end in vitalsign_protocol::step_up::StepUpResult::ALL {
            let row = format!("\n| `{end:?}` |");
            let name = serde_json::to_value(end).unwrap();
            let row = row.replace(&format!("{end:?}"), name.as_str().unwrap());
            let approved = row.contains("approved");
            assert!(approved || INTEGRATE.contains(&row), "docs/integrate.md lacks {row}");
        }
    }

    #[test]
    fn help_desk_codes_are_documented() {
        let codes = HELPDESK.lines().filter_map(|line| line.split(" | ").nth(1));
        let codes: Vec<_> = codes.filter(|code| code.starts_with("K-") || code.starts_with("D-")).collect();
        assert!(codes.len() > 12, "{codes:?}");
        for code in codes {
            assert!(CODES.contains(&format!("| {code} |")), "docs/codes.md lacks {code}");
        }
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let mut checked = 0;
        for name in DOCUMENTS.into_iter().flat_map(code) {
            let folder = name.split_once('/').map(|(folder, _)| folder);
            // Builds make the files in `target`.
            let is_path = !name.contains([' ', ':', '*', '…']) && folder != Some("target");
            // The others are relative to what the sentence is about, or are media types.
            if is_path && folder.is_some_and(|folder| !folder.is_empty() && root().join(folder).is_dir()) {
                assert!(root().join(name).exists(), "a document names {name}, which is not there");
                checked += 1;
            }
        }
        assert!(checked > 100, "only {checked} files are named");
    }
}
