//! Netlink messages (RFC 3549, netlink(7)), as far as dumping a packet filter and hearing of changes need them. What the
//! kernel sends is read with every length checked: bytes that do not fit end the reading with an error.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The most bytes that one dump may have.
const MAX_DUMP: usize = 16 * 1024 * 1024;
/// The most bytes that the kernel puts into one datagram of a dump.
const MAX_DATAGRAM: usize = 64 * 1024;

const HEADER: usize = 16;
const REQUEST_DUMP: u16 = 0x301;
const DUMP_INTERRUPTED: u16 = 0x10;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
/// The bits of an attribute's type that are flags (nested, byte order).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// Reason why a dump failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The kernel refused, with this error.
    #[error("the kernel refused: {0}")]
    Refused(rustix::io::Errno),
    /// The tables changed meanwhile: dump again.
    #[error("the tables changed while they were read")]
    Interrupted,
    /// The bytes are not messages.
    #[error("the kernel's answer is not understood")]
    Malformed,
    /// The answer is larger than [`MAX_DUMP`].
    #[error("the kernel's answer is too large")]
    TooLarge,
}

impl From<rustix::io::Errno> for NetlinkError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Refused(errno)
    }
}

/// Netlink message: type, flags and the bytes after the header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: &'a [u8],
}

/// Routing is protocol 0, which the system call takes for none.
pub(crate) const ROUTE: Option<Protocol> = None;

/// A socket of a netlink protocol, a member of the multicast groups in the mask.
pub(crate) fn open(protocol: Option<Protocol>, groups: u32) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Asks for a dump: gives each message's type and body to `each`.
pub(crate) fn dump(
    socket: &OwnedFd,
    kind: u16,
    body: &[u8],
    mut each: impl FnMut(&Message<'_>) -> Option<()>,
) -> Result<(), NetlinkError> {
    set_socket_timeout(socket, Timeout::Recv, Some(Duration::from_secs(2)))?;
    rustix::net::send(socket, &request(kind, body)?, SendFlags::empty())?;
    let mut datagram = vec![0; MAX_DATAGRAM];
    let (mut total, mut interrupted) = (0, false);
    loop {
        let (_, length) = rustix::net::recv(socket, &mut datagram, RecvFlags::TRUNC)?;
        total += length;
        if total > MAX_DUMP {
            return Err(NetlinkError::TooLarge);
        }
        let mut rest = datagram.get(..length).ok_or(NetlinkError::Malformed)?;
        while let Some(message) = message(&mut rest)? {
            interrupted |= message.flags & DUMP_INTERRUPTED != 0;
            match message.kind {
                // Reading to the end even so leaves the socket clean for the next dump.
                TYPE_DONE if interrupted => return Err(NetlinkError::Interrupted),
                TYPE_DONE => return Ok(()),
                TYPE_ERROR => return Err(refusal(message.body)),
                _ => each(&message).ok_or(NetlinkError::Malformed)?,
            }
        }
    }
}

fn request(kind: u16, body: &[u8]) -> Result<Vec<u8>, NetlinkError> {
    let length = u32::try_from(HEADER + body.len()).map_err(|_| NetlinkError::TooLarge)?;
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]); // Sequence and port: this socket has one dump at a time.
    request.extend(body);
    Ok(request)
}

/// Encodes a text as an attribute.
pub(crate) fn attribute(kind: u16, text: &str) -> Result<Vec<u8>, NetlinkError> {
    let length = u16::try_from(text.len() + 5).map_err(|_| NetlinkError::TooLarge)?;
    let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), text.as_bytes(), &[0]].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

fn refusal(body: &[u8]) -> NetlinkError {
    let code = body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
    code.map_or(NetlinkError::Malformed, |code| {
        NetlinkError::Refused(rustix::io::Errno::from_raw_os_error(code.saturating_neg()))
    })
}

/// Takes the next message off a datagram; none at its end.
pub(crate) fn message<'a>(rest: &mut &'a [u8]) -> Result<Option<Message<'a>>, NetlinkError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let take = || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let flags = u16::from_ne_bytes(*rest.get(6..)?.first_chunk()?);
        let body = rest.get(HEADER..length)?;
        let after = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((Message { kind, flags, body }, after))
    };
    let (message, after) = take().ok_or(NetlinkError::Malformed)?;
    *rest = after;
    Ok(Some(message))
}

/// The attributes in some bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Returns the attributes after a fixed header of this many bytes.
    pub(crate) fn after(body: &'a [u8], header: usize) -> Option<Self> {
        body.get(header..).map(Self)
    }

    /// The value of the first attribute of a type.
    pub(crate) fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    pub(crate) fn nested(self, kind: u16) -> Option<Self> {
        self.get(kind).map(Self)
    }

    /// A text, up to its NUL.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        let bytes = self.get(kind)?;
        std::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()
    }

    /// Returns a number in network byte order, which nf_tables uses.
    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(*self.get(kind)?.first_chunk()?))
    }
}

impl<'a> From<&'a [u8]> for Attributes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// Type and value of each; ends at the first that does not fit.
impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.0.get(2..)?.first_chunk()?) & ATTRIBUTE_TYPE;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl From<NetlinkError> for io::Error {
    fn from(error: NetlinkError) -> Self {
        match error {
            NetlinkError::Refused(errno) => errno.into(),
            NetlinkError::Interrupted => io::ErrorKind::ResourceBusy.into(),
            NetlinkError::Malformed | NetlinkError::TooLarge => io::ErrorKind::InvalidData.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_messages() {
        let bytes = request(0x0a01, &[1, 2, 3, 4]).unwrap();
        let mut rest = bytes.as_slice();
        let read = message(&mut rest).unwrap().unwrap();
        assert_eq!(read, Message { kind: 0x0a01, flags: REQUEST_DUMP, body: &[1, 2, 3, 4] });
        assert_eq!(message(&mut rest), Ok(None));
    }

    #[test]
    fn every_truncation_of_a_message_is_an_error() {
        let bytes = request(1, &[0; 12]).unwrap();
        for length in 1..bytes.len() {
            assert_eq!(message(&mut &bytes[..length]), Err(NetlinkError::Malformed), "{length}");
        }
    }

    #[test]
    fn a_length_shorter_than_its_header_is_an_error() {
        for length in 0..16_u32 {
            let mut bytes = request(1, &[]).unwrap();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(message(&mut bytes.as_slice()), Err(NetlinkError::Malformed), "{length}");
        }
    }

    #[test]
    fn attributes_end_where_they_do_not_fit() {
        let attribute = |length: u16, kind: u16, value: &[u8]| {
            [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
        };
        let two = [attribute(6, 1 | 0x8000, b"a\0\0\0"), attribute(8, 2, &7_u32.to_be_bytes())].concat();
        let read = Attributes::from(two.as_slice());
        assert_eq!((read.text(1), read.be32(2), read.be32(1)), (Some("a"), Some(7), None));
        for length in 0..two.len() {
            assert!(Attributes::from(&two[..length]).count() < 2, "{length}");
        }
        for wrong in [0, 1, 3, 200, u16::MAX] {
            assert_eq!(Attributes::from(attribute(wrong, 1, &[0; 4]).as_slice()).count(), 0, "{wrong}");
        }
    }
}
