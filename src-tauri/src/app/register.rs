//! Security keys: registering one, and the list of those that are registered.

use super::{App, lock};
use crate::model::{Happened, Registering, plain, refused};
use crate::view::{Key, Keys, Registration, Trouble, TroubleKind};
use std::sync::Arc;
use vitalsign_ipc::Answer;
use vitalsign_protocol::id::Secret;
use vitalsign_protocol::step_up::RegisteredKey;
use vitalsign_security_key::Cancel;
use vitalsign_session::Lost;
use zeroize::Zeroizing;

impl App {
    /// Registers the key that is touched. A step-up that comes meanwhile waits: one key is asked one thing at a time.
    pub(super) fn register(&self, code: String, name: String) {
        let code = Zeroizing::new(code);
        let cancel = Cancel::new();
        if let Some(before) = lock(&self.registering).replace(cancel.clone()) {
            before.cancel();
        }
        let (socket, keys) = (Arc::clone(&self.socket), Arc::clone(&self.keys));
        let (happened, inbox) = (self.happened.clone(), self.inbox.clone());
        std::thread::spawn(move || {
            let tell = |registering| drop(happened.send(Happened::Registering(registering)));
            inbox.away(true);
            tell(Registering::Begun);
            let code = Secret::new(code.trim().as_bytes().to_vec());
            let begun = |user: &str| tell(Registering::For(user.to_owned()));
            let mut prompts = |prompt| tell(Registering::Prompt(prompt));
            let end = vitalsign_session::register(
                &*socket,
                &*keys,
                code,
                name.trim(),
                begun,
                &mut prompts,
                &cancel,
            );
            tell(Registering::Ended(match end {
                Ok(registered) => Registration::Done { key: key(&registered) },
                Err(_) if cancel.is_cancelled() => Registration::Idle,
                Err(error) => Registration::Failed { trouble: (&error).into() },
            }));
            inbox.away(false);
        });
    }

    /// Ends a registration, or puts its end away.
    pub(super) fn stop_registering(&self) {
        if let Some(running) = lock(&self.registering).take() {
            running.cancel();
        }
        self.tell(Happened::Registering(Registering::Ended(Registration::Idle)));
    }
}

/// The list, from the service's answer.
pub(super) fn keys(answer: Result<Answer, Lost>) -> Keys {
    let lost = |detail: Option<String>| Trouble { kind: TroubleKind::Lost, detail };
    let trouble = match answer {
        Ok(Answer::Keys(keys)) => return Keys::Registered { keys: keys.iter().map(key).collect() },
        Ok(Answer::Refused(refusal)) => refused(&refusal),
        Ok(_) => lost(None),
        Err(why) => lost(Some(plain(&why.text))),
    };
    Keys::Failed { trouble }
}

fn key(key: &RegisteredKey) -> Key {
    Key {
        id: key.id,
        user: plain(&key.user),
        name: plain(&key.name),
        model: plain(&key.model),
        registered: key.registered,
        last_used: key.last_used,
    }
}
