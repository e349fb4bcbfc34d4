//! Registering a security key.

use super::{App, lock};
use crate::model::{Happened, Registering, registered};
use crate::view::Registration;
use std::sync::Arc;
use vitalsign_protocol::id::Secret;
use vitalsign_security_key::Cancel;
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
                Ok(key) => Registration::Done { key: registered(&key) },
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
