//! The organisation's words: which devices get them, and when other words take their place.

mod support;

#[cfg(test)]
mod tests {
    use super::support::process::{Serving, configure, enrol, run, stdout};
    use super::support::{Answer, Client};
    use std::path::Path;
    use vitalsign_protocol::id::Digest;
    use vitalsign_protocol::message::ReportAnswer;
    use vitalsign_protocol::organisation::OrganisationDocument;
    use vitalsign_protocol::problem::ProblemType::*;

    fn write(folder: &Path, text: &str) {
        let words = folder.join("words");
        std::fs::create_dir_all(words.join("texts")).unwrap();
        // In one step: an empty file would be valid.
        std::fs::write(words.join("new"), text).unwrap();
        std::fs::rename(words.join("new"), words.join("organisation.toml")).unwrap();
    }

    fn configured() -> tempfile::TempDir {
        let folder = configure();
        let config = folder.path().join("verifier.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("organisation = \"words\"\n{text}")).unwrap();
        write(folder.path(), "name = 'St. Example Hospital'\n[support]\nphone = 'ext. 1234'");
        folder
    }

    async fn words(client: &mut Client, bearer: Option<&str>) -> Answer {
        let headers: Vec<_> = bearer.map(|it| ("authorization", it)).into_iter().collect();
        client.ask(("GET", "/v1/organisation"), &headers, b"").await.unwrap();
        client.receive().await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_devices_get_the_announced_words() {
        let folder = configured();
        let serving = Serving::start(folder.path());
        let token = stdout(&run(folder.path(), &["enrol-token", "create"])).trim().to_owned();
        let mut client = serving.connect().await;
        for bearer in [None, Some("Bearer AAAA")] {
            assert_eq!(words(&mut client, bearer).await.problem(), SessionInvalid);
        }
        let mut device = enrol(&mut client, &token).await;
        let answer: ReportAnswer = client.report(&device.report()).await.unwrap().json();
        device.nonce = answer.nonce;
        let bearer = answer.session.unwrap().bearer();
        let served = words(&mut client, Some(&bearer)).await;
        assert_eq!((served.status, answer.organisation), (200, Some(Digest::of(&served.body))));
        let document = OrganisationDocument::parse(served.body).unwrap();
        assert_eq!(document.content().support.phone.as_deref(), Some("ext. 1234"));

        // Broken words replace none; then others are announced.
        let reload = || {
            let id = serving.child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        };
        write(folder.path(), "[support]\nphone = \"1\\u202e2\"");
        reload();
        let again: ReportAnswer = client.report(&device.report()).await.unwrap().json();
        device.nonce = again.nonce;
        assert_eq!(again.organisation, answer.organisation);
        write(folder.path(), "[support]\nphone = 'ext. 5678'");
        reload();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let answer: ReportAnswer = client.report(&device.report()).await.unwrap().json();
            device.nonce = answer.nonce;
            if answer.organisation.is_some() && answer.organisation != again.organisation {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the other words are not announced");
        }
        let logged = stdout(&run(folder.path(), &["audit", "list", "--kind", "policy-changed", "--json"]));
        assert_eq!(logged.lines().count(), 2, "{logged}");
        let listed = stdout(&run(folder.path(), &["audit", "list", "--kind", "policy-changed"]));
        assert_eq!(listed.matches("the organisation's words ").count(), 2, "{listed}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn verifier_without_words_announces_none() {
        let folder = configure();
        let serving = Serving::start(folder.path());
        let token = stdout(&run(folder.path(), &["enrol-token", "create"])).trim().to_owned();
        let mut client = serving.connect().await;
        let mut device = enrol(&mut client, &token).await;
        let answer: ReportAnswer = client.report(&device.report()).await.unwrap().json();
        assert_eq!(answer.organisation, None);
        let bearer = answer.session.unwrap().bearer();
        assert_eq!(words(&mut client, Some(&bearer)).await.problem(), NotFound);
    }

    #[test]
    fn policy_check_names_the_file_that_cannot_be_used() {
        let folder = configured();
        let texts = folder.path().join("words/texts/de.linux.toml");
        std::fs::write(&texts, "[house-badge]\ntitle = 'Kartenleser'").unwrap();
        let checked = stdout(&run(folder.path(), &["policy", "check"]));
        assert!(checked.contains("checks: de.linux (1)"), "{checked}");
        std::fs::write(&texts, "[house-badge]\ntitel = 'Kartenleser'").unwrap();
        for arguments in [["policy", "check"].as_slice(), &["serve", "--self-signed", "localhost"]] {
            let refused = run(folder.path(), arguments);
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success() && said.contains("de.linux.toml"), "{said}");
            assert!(said.contains("titel"), "{said}");
        }
    }
}
