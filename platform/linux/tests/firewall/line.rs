//! A machine and another outside, in two network namespaces with a line between them.

use super::namespace::{Namespace, shell};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, connect, getpeername, recv,
    socket_with,
};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Addresses outside: in the same network, elsewhere in the lower half of all addresses, and in the upper half.
pub(super) const SOURCES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 9, 9, 2), Ipv4Addr::new(100, 64, 0, 2), Ipv4Addr::new(203, 0, 113, 9)];
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 1);
/// Destinations of datagrams: the machine, everyone in its network, and every machine.
const DESTINATIONS: [Ipv4Addr; 3] = [INSIDE, Ipv4Addr::new(10, 9, 9, 255), Ipv4Addr::new(224, 0, 0, 1)];
/// Time after which a packet counts as dropped.
const WAIT: Duration = Duration::from_millis(400);
/// No packet takes so long to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Line {
    pub(super) inside: Namespace,
    outside: Namespace,
}

impl Line {
    /// The card of the machine inside is `eth9`.
    pub(super) fn new() -> Self {
        let (inside, outside) = (Namespace::new(), Namespace::new());
        inside.run(|| {
            shell(&format!(
                "ip link add eth9 type bridge forward_delay 0; ip link add port9 type ifb; ip link set port9 master eth9
                 ip link add v0 type veth peer name v1 netns {}; ip link set v0 master eth9
                 ip link set lo up; ip link set v0 up; ip link set eth9 up
                 ip addr add {INSIDE}/24 dev eth9; ip route add default dev eth9",
                outside.process()
            ));
        });
        outside.run(|| {
            let [near, low, high] = SOURCES;
            shell(&format!(
                "ip link set v1 up; ip addr add {near}/24 dev v1
                 ip route add default dev v1; ip addr add {low}/32 dev v1; ip addr add {high}/32 dev v1"
            ));
        });
        let line = Self { inside, outside };
        // The first packets look for hardware addresses.
        while line.connections(&[9]).is_empty() {}
        line
    }

    pub(super) fn listen(&self, ports: &[u16]) -> Listening {
        self.inside.run(|| {
            let tcp = ports.iter().map(|port| TcpListener::bind((INSIDE, *port)).unwrap()).collect();
            let udp =
                ports.iter().map(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).unwrap()).collect();
            let listening = Listening { _tcp: tcp, udp };
            listening.udp.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
            listening
        })
    }

    /// The TCP ports at which a connection is accepted from any of the sources. They are listened at for this time.
    pub(super) fn connections(&self, ports: &[u16]) -> BTreeSet<u16> {
        let _listeners: Vec<_> = self.inside.run(|| {
            // One that is listened at already serves as well.
            ports.iter().map(|port| TcpListener::bind((INSIDE, *port))).collect()
        });
        let attempts: Vec<(u16, OwnedFd)> = self.outside.run(|| {
            let all = ports.iter().flat_map(|port| SOURCES.map(|source| (*port, source)));
            all.map(|(port, source)| {
                let socket =
                    socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)
                        .unwrap();
                bind(&socket, &SocketAddrV4::new(source, 0)).unwrap();
                // In progress, or refused at once.
                let _ = connect(&socket, &SocketAddrV4::new(INSIDE, port));
                (port, socket)
            })
            .collect()
        });
        let start = Instant::now();
        let mut accepted = BTreeSet::new();
        while start.elapsed() < WAIT && accepted.len() < ports.len() {
            let connected = attempts.iter().filter(|(_, socket)| getpeername(socket).is_ok());
            accepted.extend(connected.map(|(port, _)| *port));
            std::thread::sleep(Duration::from_millis(10));
        }
        accepted
    }
}

impl Line {
    /// Waits until the machine inside has handled every packet that this thread, outside and on one processor, has sent.
    fn wait_for_packets(&self) {
        const LAST: &[u8] = b"the last of the datagrams";
        const EVERY_PROTOCOL: u16 = 3;
        // It hears packets before any rule.
        let tap = self.inside.run(|| {
            let protocol = NonZeroU32::new(EVERY_PROTOCOL.to_be().into()).map(Protocol::from_raw);
            socket_with(AddressFamily::PACKET, SocketType::DGRAM, SocketFlags::NONBLOCK, protocol).unwrap()
        });
        let sender = UdpSocket::bind((SOURCES[0], 0)).unwrap();
        let end = Instant::now() + PATIENCE;
        let mut packet = [0; 2048];
        loop {
            // A refusal of an earlier one may be reported here.
            let sent = || sender.send_to(LAST, (INSIDE, 9));
            sent().or_else(|_| sent()).unwrap();
            let again = Timespec::try_from(WAIT).unwrap();
            poll(&mut [PollFd::new(&tap, PollFlags::IN)], Some(&again)).unwrap();
            while let Ok((length, _)) = recv(&tap, &mut packet[..], RecvFlags::empty()) {
                if packet[..length].ends_with(LAST) {
                    return;
                }
            }
            assert!(Instant::now() < end, "no packet arrives");
        }
    }
}

/// Sockets inside.
pub(super) struct Listening {
    _tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Listening {
    /// The UDP ports at which a datagram arrives from any of the sources.
    pub(super) fn datagrams(&self, line: &Line, ports: &[u16]) -> BTreeSet<u16> {
        let arrived = || {
            let mut arrived = BTreeSet::new();
            for socket in &self.udp {
                let mut port = [0; 2];
                while socket.recv(&mut port).is_ok() {
                    arrived.insert(u16::from_be_bytes(port));
                }
            }
            arrived
        };
        arrived();
        line.outside.run(|| {
            // One processor handles the packets that it sends in their order.
            let mut here = CpuSet::new();
            here.set(sched_getcpu());
            sched_setaffinity(None, &here).unwrap();
            for source in SOURCES {
                let socket = UdpSocket::bind((source, 0)).unwrap();
                socket.set_broadcast(true).unwrap();
                for (port, destination) in ports.iter().flat_map(|port| DESTINATIONS.map(|to| (port, to))) {
                    // The content says where it was sent: a rule may redirect it. A refusal reported late is not its own.
                    let sent = || socket.send_to(&port.to_be_bytes(), (destination, *port));
                    sent().or_else(|_| sent()).unwrap();
                }
            }
            line.wait_for_packets();
        });
        arrived()
    }
}
