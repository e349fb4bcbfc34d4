//! A security key in software: the code of real ones, behind a virtual reader or a virtual USB port.
