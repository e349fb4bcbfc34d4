//! Whether the person is in front of this session: not while the screen is locked, nor while another person's session is
//! in front.

/// Tells whenever that changes.
pub(crate) fn watch(_tell: impl Fn(bool) + Send + 'static) {}
