//! Change notifications from the system. A change names what to read again, not its new value.

/// Kind of change that the system reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The system or its packages; a restart became due.
    Os,
    /// A volume came, went or changed.
    Disk,
    /// An endpoint product started or stopped.
    Edr,
    /// The kernel's packet filter changed.
    Firewall,
    /// The screen lock's settings.
    Lock,
    /// The screen was locked or unlocked, or that may have gone unseen.
    Locked,
    /// Another session came to the front of the machine, or none is there any more.
    Seat,
    /// The machine goes to sleep.
    Sleep,
    /// The machine resumed from sleep.
    Wake,
    /// The network came back or changed.
    Network,
}
