//! Tests end to end that people read the words that the verifier serves, offline too, and that this device's own configuration
//! comes first.

use anyhow::{Context, Result, ensure};
use vitalsign_e2e::Testbed;
use vitalsign_ipc::{Answer, Request, Status};

fn phone(status: &Status) -> Option<&str> {
    status.guidance.support.phone.as_deref()
}

#[test]
fn people_read_the_verifiers_words_offline_too() -> Result<()> {
    let mut testbed = Testbed::with_simulated_tpm()?;
    let words = testbed.folder().join("words");
    std::fs::create_dir_all(words.join("texts"))?;
    std::fs::write(
        words.join("organisation.toml"),
        "name = 'St. Example Hospital'\n[support]\nname = 'Service desk'\nphone = 'ext. 1234'",
    )?;
    std::fs::write(words.join("texts/de.toml"), "[os-updates]\ntitle = 'Aktualisierungen'")?;
    std::fs::write(words.join("texts/en.toml"), "[os-updates]\ntitle = 'House updates'")?;
    testbed.restart_verifier_with("organisation = \"words\"")?;

    let (agent, service, _) = testbed.enrolled("device")?;
    agent.until("the words", |status| phone(status) == Some("ext. 1234"))?;
    let page = String::from_utf8(agent.run(&["status"])?.stdout)?;
    ensure!(page.contains("Service desk · ext. 1234") && page.contains("House updates"), "{page}");
    ensure!(page.contains("St. Example Hospital"), "{page}");
    let mut client = vitalsign_client::ServiceClient::connect(&agent.socket())?;
    let Answer::Organisation(german) = client.ask(Request::Organisation { language: "de".into() })? else {
        anyhow::bail!("no texts")
    };
    let title = german.texts.of("os-updates").and_then(|it| it.title.as_deref());
    ensure!(title == Some("Aktualisierungen"), "{german:?}");

    // Offline, after a restart, and without a service.
    drop((client, service, testbed.verifier.take()));
    let shown = agent.run(&["status"])?;
    let (page, said) = (String::from_utf8(shown.stdout)?, String::from_utf8(shown.stderr)?);
    ensure!(page.contains("ext. 1234") && page.contains("House updates"), "{page}");
    ensure!(said.contains("start it: systemctl start vitalsign"), "{said}");
    let doctor = String::from_utf8(agent.run(&["doctor"])?.stdout)?;
    ensure!(doctor.contains("ext. 1234"), "{doctor}");
    let service = agent.start_service()?;
    agent.until("the words that were kept", |status| phone(status) == Some("ext. 1234"))?;

    // This device's own configuration comes first.
    let config = agent.state().parent().context("no folder")?.join("agent.toml");
    std::fs::write(&config, "[support]\nphone = 'ext. 9'")?;
    drop(service);
    let mut own = agent.command(&["service", "run"]);
    let service = vitalsign_e2e::Child::start(own.env("VITALSIGN_CONFIG", &config))?;
    let shown = agent.until("the words of the device", |status| phone(status) == Some("ext. 9"))?;
    ensure!(shown.guidance.organisation.as_deref() == Some("St. Example Hospital"), "{shown:?}");

    // A verifier that serves none has them forgotten.
    drop(service);
    let service = agent.start_service()?;
    testbed.restart_verifier_with("")?;
    agent.run(&["report"])?;
    agent.until("no words", |status| status.guidance.organisation.is_none() && phone(status).is_none())?;
    ensure!(!agent.state().join("organisation.json").exists());
    drop(service);
    Ok(())
}
