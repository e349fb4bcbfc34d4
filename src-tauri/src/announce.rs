//! A step-up is announced where the person looks elsewhere: with a sound, and where windows cannot be raised with a
//! notification.

use crate::language::Language;

/// Announces that one waits, or takes that back.
pub(crate) fn announce(_waits: bool, _language: Language) {}
