//! Systems whose turn has not come.

use crate::cancel::Cancel;
use crate::ceremony::{Attached, Ceremony, Failure};
use crate::options;
use crate::prompt::Prompt;
use serde_json::Value;

const WHY: &str = "this system is not supported yet";

/// The security keys of this machine.
#[derive(Debug)]
pub struct SecurityKeys(());

impl SecurityKeys {
    /// Makes ready to scope security keys.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub fn open() -> Result<Self, Failure> {
        Err(Failure::Unavailable(WHY.to_owned()))
    }

    /// The security keys that are there now.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub fn attached(&self) -> Result<Vec<Attached>, Failure> {
        Err(Failure::Unavailable(WHY.to_owned()))
    }

    /// Calls `removed` each time that a USB key was removed.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: there is no watch.
    pub fn watch_removal(&self, _removed: impl Fn() + Send + 'static) -> Result<(), Failure> {
        Err(Failure::Unavailable(WHY.to_owned()))
    }

    /// Runs a ceremony to its end.
    pub fn perform(
        &self,
        ceremony: &Ceremony,
        _prompts: impl FnMut(Prompt) + Send,
        _cancel: &Cancel,
    ) -> Result<Value, Failure> {
        options::check(ceremony)?;
        Err(Failure::Unavailable(WHY.to_owned()))
    }
}
