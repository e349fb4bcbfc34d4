//! The agent's side: a TPM behind a [`Transport`], and the keys of ours in it.

pub(crate) mod device;
mod endorser;
mod failure;
pub(crate) mod key;
mod session;
mod state;
mod template;
mod transport;

pub use key::{Options, TpmKey, forget, open};
pub use transport::{Address, Transport};
