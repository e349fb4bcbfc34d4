//! Fuzzes the service's socket and the agent's state file.

#[cfg(test)]
mod ipc {
    use serde::de::DeserializeOwned;
    use vitalsign_agent_core::Saved;
    use vitalsign_fuzz::fuzz;
    use vitalsign_ipc::{Error, Hello, Inbox, MAX_FRAME, Reply, Request, encode};
    use vitalsign_protocol::id::{RegistrationId, Secret, StepUpId};
    use vitalsign_protocol::step_up::StepUpResult;

    const WORDS: &[&[u8]] = &[
        &[0, 0, 0, 0],
        &[0, 4, 0, 0],
        &[0, 4, 0, 1],
        &[255, 255, 255, 255],
        b"\"status\"",
        b"\"subscribe\"",
        b"{}",
        b"null",
        b"vitalsign-ipc",
        b"\"version\":2",
        b"\"keys\"",
        b"{\"ceremony\":\"AQEBAQEBAQEBAQEBAQEBAQ\"}",
        b"\"approved\"",
        b"[[[[[[[[[[[[[[[[",
    ];

    /// Everything that comes out when `input` arrives in pieces of `size`; the conversation ends at a fatal error.
    fn outcome<M: DeserializeOwned + std::fmt::Debug>(input: &[u8], size: usize) -> Vec<String> {
        let (mut inbox, mut out) = (Inbox::<M>::default(), Vec::new());
        for piece in input.chunks(size) {
            inbox.feed(piece);
            loop {
                match inbox.take() {
                    Ok(None) => break,
                    Ok(Some(message)) => out.push(format!("{message:?}")),
                    Err(error) => {
                        if let Error::TooLarge(length) = error {
                            assert!(length > MAX_FRAME);
                        }
                        out.push(format!("{error:?}"));
                        if error.is_fatal() {
                            return out;
                        }
                    }
                }
            }
        }
        out
    }

    fn conversation<M: DeserializeOwned + std::fmt::Debug>(name: &str) {
        let hello = encode(&Hello::ours()).unwrap();
        let (step_up, json) =
            (StepUpId([1; 16]), serde_json::json!({"id": "AQID", "response": {"x": [1, null]}}));
        let requests = [
            Request::Status,
            Request::CheckNow,
            Request::Subscribe,
            Request::Ceremony(step_up),
            Request::Tapped { step_up, assertion: json.clone() },
            Request::GiveUp { step_up, end: StepUpResult::NotMine },
            Request::BeginKey { code: Secret::new(b"code".to_vec()) },
            Request::FinishKey {
                registration: RegistrationId([2; 16]),
                name: "blue".into(),
                credential: json,
            },
            Request::Keys,
        ];
        let frames: Vec<u8> = requests.iter().flat_map(|request| encode(request).unwrap()).collect();
        fuzz(name, &[[hello, frames].concat()], WORDS, |input| {
            let whole = outcome::<M>(input, input.len().max(1));
            assert_eq!(outcome::<M>(input, 3), whole, "it depends on how the bytes arrive");
            !whole.is_empty()
        });
    }

    #[test]
    fn ipc_parsing_is_independent_of_chunking() {
        conversation::<Request>("requests");
        conversation::<Reply>("replies");
    }

    #[test]
    fn saved_state_never_makes_the_agent_panic() {
        let good = serde_json::to_vec(&Saved::default()).unwrap();
        fuzz("saved state", &[good], &[b"null", b"{}", b"[]", b"-1", b"18446744073709551615"], |input| {
            let Ok(saved) = serde_json::from_slice::<Saved>(input) else { return false };
            let _ = vitalsign_agent_core::Agent::new(saved);
            true
        });
    }
}
