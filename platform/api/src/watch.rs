//! Changes that the system pushes. A change says where to look again, not what is there.

/// What may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The system or its packages; a restart became due.
    Os,
    /// A volume came, went or changed.
    Disk,
    /// An endpoint product started or stopped.
    Edr,
    /// The kernel's packet filter.
    Firewall,
    /// The screen lock's settings, or it locked or unlocked.
    Lock,
    /// Another session came to the front of the machine, or none is there any more.
    Seat,
    /// The machine goes to sleep.
    Sleep,
    /// The machine woke up.
    Wake,
    /// The network came back or changed.
    Network,
}
