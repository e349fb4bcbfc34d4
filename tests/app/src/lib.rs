//! Runs the app for tests: a display, a session bus and a home folder, the app in its real web view driven
//! over WebDriver, and fake desktop services. [`vitalsign_e2e::Testbed`] provides verifier and agent.
//!
//! Every process is ended by the code that started it, by its ID.
#![cfg(target_os = "linux")]

mod app;
mod desk;
mod notices;
mod page;
mod process;
mod resources;
mod stand_in;
mod tray;
mod typist;
mod ward;
mod x;

pub use app::App;
pub use desk::{DesktopServices, Manager};
pub use notices::{NoticeHost, ShownNotice};
pub use page::Page;
pub use process::{Process, Relative};
pub use resources::{Resources, summary};
pub use stand_in::{StandIn, nothing_known};
pub use tray::TrayHost;
pub use typist::{Busy, Hand, TextWindow};
pub use ward::{PIN, USER, Ward};
pub use x::{Rect, Screen};

/// Time limit for every wait.
pub(crate) const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
