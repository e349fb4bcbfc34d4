//! Command line arguments of the app.

use crate::view::Page;
use clap::Parser;
use std::path::PathBuf;
use vitalsign_client::program::{DEFAULT_SOCKET, SOCKET_VARIABLE};

const EXAMPLES: &str = "\
Examples:
  Show how this device is:
    vitalsign-app
  At the start of a session, without a window:
    vitalsign-app --background

Exit status: 0 left, 2 used wrongly, 3 could not be done.";

/// Shows how this device is, and asks for taps on your security key.
#[derive(Clone, Debug, Parser)]
#[command(name = "vitalsign-app", version, after_help = EXAMPLES)]
pub(crate) struct AppArgs {
    /// Open no window until one is needed
    #[arg(long)]
    pub(crate) background: bool,
    /// The page to open: status, keys, about
    #[arg(long, value_name = "PAGE", value_parser = page, default_value = "status")]
    pub(crate) page: Page,
    /// Socket of the service
    #[arg(long, value_name = "PATH", env = SOCKET_VARIABLE, default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

impl AppArgs {
    /// Those that this program was started with once more, its name first; none where they cannot be understood.
    pub(crate) fn of_another(arguments: Vec<String>) -> Option<Self> {
        Self::try_parse_from(arguments).ok()
    }
}

fn page(name: &str) -> Result<Page, String> {
    match name {
        "status" => Ok(Page::Status),
        "keys" => Ok(Page::Keys),
        "about" => Ok(Page::About),
        _ => Err("there are the pages status, keys and about".to_owned()),
    }
}
