//! Limits of applications, so that none shuts out another or wears a person down.

use super::application::{App, Provider, refusal, refused, request, retry_after};
use super::person::Person;
use super::support::Answer;
use serde_json::Value;
use vitalsign_protocol::step_up::StepUpResult;

async fn ask(provider: &Provider, app: &App, user: &str) -> Answer {
    app.post(provider, "/bc-authorize", &request(user)).await
}

fn description(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["error_description"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_application_shuts_out_another() {
    let provider = Provider::with(|config| {
        let limits = &mut config.limits;
        (limits.step_ups_per_client_and_user, limits.step_ups_per_user) = (2, 3);
    })
    .await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let form = [request("nurse-7"), vec![("requested_expiry", "60".to_owned())]].concat();
    assert_eq!(ehr.post(&provider, "/bc-authorize", &form).await.status, 200);
    assert_eq!(ask(&provider, &ehr, "nurse-7").await.status, 200);
    let answer = ask(&provider, &ehr, "nurse-7").await;
    assert_eq!(refusal(&answer), refused(429, "temporarily_unavailable"));
    // The first of the two expires in 60 s, the other in 120 s.
    let seconds = retry_after(&answer);
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(
        description(&answer),
        format!("2 step-ups of this client are pending for this person. Try again in {seconds} s.")
    );

    // The same application may ask others, and another application may ask the same person.
    assert_eq!(ask(&provider, &ehr, "nurse-8").await.status, 200);
    let answer = ask(&provider, &pacs, "nurse-7").await;
    assert_eq!(answer.status, 200);
    let answer: Value = answer.json();
    let full = ask(&provider, &pacs, "nurse-7").await;
    assert_eq!(refusal(&full), refused(503, "temporarily_unavailable"));
    assert!((1..=60).contains(&retry_after(&full)), "{}", full.head);
    assert!(description(&full).contains("of other clients"), "{}", description(&full));
    // A place is free again at once when a request ends.
    let named = vec![("auth_req_id", answer["auth_req_id"].as_str().unwrap().to_owned())];
    assert_eq!(pacs.post(&provider, "/bc-cancel", &named).await.status, 200);
    assert_eq!(ask(&provider, &pacs, "nurse-7").await.status, 200);
}

#[tokio::test]
async fn applications_have_a_rate_each() {
    let provider = Provider::with(|config| config.limits.step_ups_per_minute = 2).await;
    let ehr = provider.with_secret("ehr").await;
    let pacs = provider.with_key("pacs").await;
    let mut answers = Vec::new();
    for user in ["nurse-1", "nurse-2", "nurse-3"] {
        answers.push(ask(&provider, &ehr, user).await);
    }
    // On a slow machine one more may be due by then.
    let refused_at = answers.iter().position(|answer| answer.status != 200);
    let answer = match refused_at {
        Some(place) => answers.remove(place),
        None => loop {
            let answer = ask(&provider, &ehr, "nurse-4").await;
            if answer.status != 200 {
                break answer;
            }
        },
    };
    assert_eq!(refusal(&answer), refused(429, "temporarily_unavailable"));
    assert!((1..=30).contains(&retry_after(&answer)), "{}", answer.head);
    assert!(description(&answer).contains("more than 2 step-ups a minute"), "{}", description(&answer));
    assert_eq!(ask(&provider, &pacs, "nurse-1").await.status, 200);
    // What is refused for other reasons does not count as a step-up of another application.
    assert_eq!(ask(&provider, &pacs, "").await.status, 400);
}

#[tokio::test]
async fn refused_application_pauses_for_that_person() {
    for (end, pause, word) in
        [(StepUpResult::Declined, 700, "declined"), (StepUpResult::NotMine, 900, "did not start")]
    {
        let provider = Provider::with(|config| {
            let limits = &mut config.limits;
            (limits.declined_pause_seconds, limits.not_mine_pause_seconds) = (700, 900);
        })
        .await;
        let ehr = provider.with_secret("ehr").await;
        let pacs = provider.with_key("pacs").await;
        let mut nurse = Person::at(&provider, "nurse-7").await;
        ehr.ask(&provider, "nurse-7").await;
        let asked = nurse.asked(&provider).await;
        nurse.give_up(&provider, &asked, end).await;

        let answer = ask(&provider, &ehr, "nurse-7").await;
        assert_eq!(refusal(&answer), refused(429, "temporarily_unavailable"), "{end}");
        let seconds = retry_after(&answer);
        // The test takes less than five minutes.
        assert!(seconds <= pause && seconds > pause - 300, "{end}: {seconds}");
        assert!(description(&answer).contains(word), "{}", description(&answer));
        assert_eq!(ask(&provider, &ehr, "nurse-8").await.status, 200, "{end}");
        assert_eq!(ask(&provider, &pacs, "nurse-7").await.status, 200, "{end}");
    }
    // Other ends are no refusal by the person.
    let provider = Provider::with(|config| config.limits.declined_pause_seconds = 700).await;
    let ehr = provider.with_secret("ehr").await;
    let mut nurse = Person::at(&provider, "nurse-7").await;
    ehr.ask(&provider, "nurse-7").await;
    let asked = nurse.asked(&provider).await;
    nurse.give_up(&provider, &asked, StepUpResult::NoKey).await;
    assert_eq!(ask(&provider, &ehr, "nurse-7").await.status, 200);
}
