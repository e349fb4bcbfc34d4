//! `vitalsign service run`.

use super::{Enrolling, PathArgs, doctor};
use crate::config::ConfigLayer;
use crate::device::DeviceExecutor;
use crate::diagnostics::DiagnosticsTexts;
use crate::notify::ServiceManager;
use crate::persistent_agent::PersistentAgent;
use crate::pin_period::{PinPeriods, ends_period};
use crate::server::Server;
use crate::service::{Service, ServiceInput};
use crate::session_lock::SessionLocks;
use crate::verifier_link::VerifierLink;
use anyhow::Context;
use std::sync::Arc;
use std::sync::mpsc::channel;
use vitalsign_agent_core::Event;
use vitalsign_client::program::ExitStatus;
use vitalsign_platform_api::Change;

#[derive(clap::Args, Debug)]
pub(crate) struct ServiceArgs {
    #[command(flatten)]
    enrolling: Enrolling,
    /// Report so often, whatever the verifier asks: for tests
    #[arg(long, value_name = "SECONDS")]
    report_seconds: Option<u64>,
}

pub(crate) fn run(place: &PathArgs, arguments: ServiceArgs) -> anyhow::Result<ExitStatus> {
    // Drops privileges while there is a single thread, so that all later threads inherit it.
    match vitalsign_os::limit_privileges() {
        Ok(kept) => tracing::info!(kept, "privileges are limited"),
        Err(error) => tracing::warn!(%error, "privileges are not limited"),
    }
    let flags = ConfigLayer { report_seconds: arguments.report_seconds, ..arguments.enrolling.given() };
    let source = place.source(flags)?;
    let config = source.current();
    tracing::info!(state = %config.state.display(), socket = %config.socket.display(), key = config.key, "starting");
    let manager = ServiceManager::from_environment();

    if let Some(error) = &config.managed.refused {
        tracing::error!(error, "the settings cannot be used: the last ones stay in force");
    }

    let agent = PersistentAgent::open(&source)?;
    source.keep();
    let socket = config.socket.clone();
    let mut device = DeviceExecutor::new(Arc::clone(&source));
    let session_locks = SessionLocks::new(vitalsign_host::users_in_front);
    device.session_locks(session_locks.clone());
    let pin_periods = PinPeriods::new(vitalsign_host::users_in_front);
    let link = VerifierLink::new(Arc::clone(&source));
    let (changes, pushed) = channel();
    match vitalsign_host::watch(changes) {
        Ok(watching) => {
            for blind in watching.blind() {
                tracing::warn!(blind, "changes of this are seen at the next reading only");
            }
            // Otherwise a lock of the screen could go unseen, so that every tap needs the PIN.
            if watching.sees_locks() {
                device.pin_periods(pin_periods.clone());
            }
            device.after_reading(move || watching.refresh());
        }
        Err(error) => tracing::warn!(%error, "changes are seen at the next reading only"),
    }
    let state = config.state.clone();
    let diagnostics = DiagnosticsTexts::new(move || doctor::findings(&source.current()), state);
    let (service, inputs) = Service::start(agent, device, link, diagnostics)?;

    let ends = inputs.clone();
    pin_periods.on_end(move || {
        let _ = ends.send(ServiceInput::Event(Event::PinPeriodEnded));
    });
    let requests = inputs.clone();
    let deliver = move |incoming| {
        // A loop that has ended answers by itself: what it drops is answered.
        let _ = requests.send(ServiceInput::Incoming(incoming));
    };
    let (locks, periods) = (session_locks, pin_periods.clone());
    let server = Server::start(&socket, vitalsign_host::is_in_front, locks, periods, deliver);
    let server = server.with_context(|| format!("listening at {}", socket.display()))?;
    let shown = server.clone();
    std::thread::Builder::new().name("changes".into()).spawn(move || {
        for change in pushed {
            if ends_period(change) {
                pin_periods.end();
            }
            if change == Change::Seat {
                shown.seat_changed();
                continue;
            }
            if inputs.send(ServiceInput::Event(Event::Changed(change))).is_err() {
                return;
            }
        }
    })?;
    service.run(&server, &manager)?;
    Ok(ExitStatus::Failed)
}
