//! The app as it runs: a person's desk (a screen, a session bus, a home) in a folder of its own, the app in its real web
//! view driven over WebDriver, and stand-ins for what a desktop has around it. With [`vitalsign_e2e::World`] behind.
//!
//! All that is started is ended by whoever started it, by its id.
#![cfg(target_os = "linux")]

mod app;
mod desk;
mod page;
mod process;
mod stand_in;
mod tray;
mod ward;
mod x;

pub use app::App;
pub use desk::Desk;
pub use page::Page;
pub use process::{Process, Relative};
pub use stand_in::{StandIn, nothing_known};
pub use tray::TrayHost;
pub use ward::{PIN, USER, Ward};
pub use x::Screen;

/// How long anything may take that is waited for.
pub(crate) const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
