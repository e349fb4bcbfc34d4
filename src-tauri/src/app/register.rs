//! Runs the registration of a security key in a thread.

use super::{App, lock};
use crate::model::{Happened, Registering, registered};
use crate::view::Registration;
use std::sync::Arc;
use tauri::{AppHandle, Manager};
use vitalsign_protocol::id::Secret;
use vitalsign_security_key::Cancel;
use zeroize::Zeroizing;

impl App {
    /// Registers the key that is touched. A step-up that comes meanwhile waits: one key is asked one thing at a time.
    pub(super) fn register(&self, app: &AppHandle, code: String, name: String) {
        let code = Zeroizing::new(code);
        let cancel = Cancel::new();
        if let Some(before) = lock(&self.registering).replace(cancel.clone()) {
            before.cancel();
        }
        let (socket, keys) = (Arc::clone(&self.socket), Arc::clone(&self.keys));
        let app = app.clone();
        std::thread::spawn(move || {
            let app = app.state::<Self>();
            // A cancelled registration reports nothing more, because another may be running.
            let tell = |registering| {
                if !cancel.is_cancelled() {
                    app.tell(Happened::Registering(registering));
                }
            };
            app.hold(|held| held.registering += 1);
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
                Err(error) => Registration::Failed { trouble: (&error).into() },
            }));
            app.hold(|held| held.registering -= 1);
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
