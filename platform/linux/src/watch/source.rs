//! Sources of changes: one file descriptor each, silent while nothing changes.

use super::bus::Bus;
use super::files::Files;
use crate::Root;
use crate::firewall::netlink::{self, ROUTE};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::netlink::{KOBJECT_UEVENT, NETFILTER};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use vitalsign_platform_api::Change;

/// The kernel's own events, not those that udev passes on.
const UEVENT_KERNEL: u32 = 1;
/// Multicast group `NFNLGRP_NFTABLES` as a bit.
const NFTABLES: u32 = 1 << 6;
/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const LINKS_AND_ADDRESSES: u32 = 0x1 | 0x10 | 0x100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Change(Change),
    /// The system bus may have come.
    Bus,
}

/// A source, and its file descriptor.
pub(super) enum Source {
    /// Block devices, from the kernel's uevents.
    Blocks(OwnedFd),
    /// The packet filter, from nf_tables' notifications.
    PacketFilter(OwnedFd),
    /// Links and addresses, from rtnetlink.
    Network(OwnedFd),
    /// `/proc/self/mountinfo` or `/proc/swaps`, whose readers are told of changes by `poll`.
    Table(File),
    /// A timer that never ends, but is cancelled when the clock is set: also on waking up.
    Clock(OwnedFd),
    /// The package databases, and signs of a restart that is due.
    Files(Files),
    Bus(Bus),
    /// A process of an endpoint product, by its number.
    Process(i32, OwnedFd),
}

impl Source {
    /// Those of the live kernel, each with its name.
    pub(super) fn live(root: &Root) -> Vec<(&'static str, io::Result<Self>)> {
        let table = |path| File::open(root.path(path)).map(Self::Table);
        vec![
            ("block devices", open(Some(KOBJECT_UEVENT), UEVENT_KERNEL).map(Self::Blocks)),
            ("packet filter", open(Some(NETFILTER), NFTABLES).map(Self::PacketFilter)),
            ("network", open(ROUTE, LINKS_AND_ADDRESSES).map(Self::Network)),
            ("mounts", table("/proc/self/mountinfo")),
            ("swaps", table("/proc/swaps")),
            ("clock", clock().map(Self::Clock)),
        ]
    }

    /// A process; none when there is no such.
    pub(super) fn process(pid: i32) -> Option<Self> {
        let process = if pid > 0 { Pid::from_raw(pid)? } else { return None };
        Some(Self::Process(pid, pidfd_open(process, PidfdFlags::empty()).ok()?))
    }

    /// Returns the events to poll for.
    pub(super) fn events(&self) -> PollFlags {
        // A table can always be read.
        if matches!(self, Self::Table(_)) { PollFlags::PRI } else { PollFlags::IN }
    }

    /// Reads all that there is. An error means that nothing will come from here any more.
    pub(super) fn read(&mut self, mut note: impl FnMut(Note)) -> io::Result<()> {
        match self {
            Self::Blocks(socket) => drain(socket, |event| {
                if event.is_none_or(|event| {
                    event.split(|byte| *byte == 0).any(|field| field == b"SUBSYSTEM=block")
                }) {
                    note(Note::Change(Change::Disk));
                }
            }),
            Self::PacketFilter(socket) => drain(socket, |messages| {
                if messages.is_none_or(changes_rules) {
                    note(Note::Change(Change::Firewall));
                }
            }),
            Self::Network(socket) => drain(socket, |_| note(Note::Change(Change::Network))),
            // `poll` itself has noted that this was seen.
            Self::Table(_) => {
                note(Note::Change(Change::Disk));
                Ok(())
            }
            Self::Clock(timer) => match rustix::io::read(timer, &mut [0; 8]) {
                Ok(_) | Err(Errno::CANCELED | Errno::AGAIN | Errno::INTR) => Ok(()),
                Err(error) => Err(error.into()),
            },
            Self::Files(files) => files.read(note),
            Self::Bus(bus) => bus.read(|change| note(Note::Change(change))),
            Self::Process(..) => {
                note(Note::Change(Change::Edr));
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Blocks(fd)
            | Self::PacketFilter(fd)
            | Self::Network(fd)
            | Self::Clock(fd)
            | Self::Process(_, fd) => fd.as_fd(),
            Self::Table(file) => file.as_fd(),
            Self::Files(files) => files.as_fd(),
            Self::Bus(bus) => bus.as_fd(),
        }
    }
}

fn open(protocol: Option<rustix::net::Protocol>, groups: u32) -> io::Result<OwnedFd> {
    Ok(netlink::open(protocol, groups)?)
}

fn clock() -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    // The year 3058.
    let never = Timespec { tv_sec: 1 << 35, tv_nsec: 0 };
    let once = Itimerspec { it_interval: Timespec::default(), it_value: never };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
    Ok(timer)
}

/// Gives each datagram that waits; none for those that the kernel had to drop, or that are larger than any should be.
fn drain(socket: &OwnedFd, mut each: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    let mut bytes = vec![0; 32 * 1024];
    loop {
        match rustix::net::recv(socket, &mut bytes, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, length)) => each(bytes.get(..length)),
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::NOBUFS) => each(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns whether the messages change tables, chains or rules. Elements of sets alone change every minute
/// where addresses are banned. Unknown messages count as changes.
fn changes_rules(mut messages: &[u8]) -> bool {
    const NFTABLES_SUBSYSTEM: u16 = 10;
    const DELETE_RULE: u16 = 8;
    loop {
        match netlink::message(&mut messages) {
            Ok(Some(message))
                if message.kind >> 8 == NFTABLES_SUBSYSTEM && message.kind & 0xff > DELETE_RULE => {}
            Ok(None) => return false,
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}
