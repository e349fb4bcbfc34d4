//! Checks that files and tests named in the documents exist.

#[cfg(test)]
mod documents {
    use std::path::PathBuf;

    const SECURITY: &str = include_str!("../../docs/security.md");
    const DOCUMENTS: [&str; 7] = [
        SECURITY,
        include_str!("../../docs/architecture.md"),
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

    #[test]
    fn every_file_that_is_named_is_there() {
        let mut checked = 0;
        for name in DOCUMENTS.into_iter().flat_map(code) {
            let folder = name.split_once('/').map(|(folder, _)| folder);
            let is_path = !name.contains([' ', ':', '*', '…']);
            // The others are relative to what the sentence is about, or are media types.
            if is_path && folder.is_some_and(|folder| !folder.is_empty() && root().join(folder).is_dir()) {
                assert!(root().join(name).exists(), "a document names {name}, which is not there");
                checked += 1;
            }
        }
        assert!(checked > 100, "only {checked} files are named");
    }
}
