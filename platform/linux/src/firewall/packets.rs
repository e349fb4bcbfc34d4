//! Sets of packets: a range of values for each property, and tests that split a set in two.

use super::ranges::Ranges;
use std::rc::Rc;

/// Property of a packet that the sender chooses, or that follows from what the sender chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// Place in the list of interfaces.
    Interface,
    /// Transport protocol.
    Protocol,
    /// Destination port.
    Port,
    SourcePort,
    Source,
    Destination,
    /// `PACKET_HOST`, `PACKET_BROADCAST` or `PACKET_MULTICAST`.
    PacketType,
    TcpFlags,
    /// Source address of the Ethernet frame.
    Hardware,
}

/// Number of properties.
pub(crate) const PROPERTIES: usize = 9;

impl Property {
    fn at(self) -> usize {
        match self {
            Self::Interface => 0,
            Self::Protocol => 1,
            Self::Port => 2,
            Self::SourcePort => 3,
            Self::Source => 4,
            Self::Destination => 5,
            Self::PacketType => 6,
            Self::TcpFlags => 7,
            Self::Hardware => 8,
        }
    }
}

/// Packets that have had the same way through the rules up to here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packets {
    properties: [Rc<Ranges>; PROPERTIES],
    /// Destination ports that the sender chose, if a rule has replaced them since.
    original_ports: Option<Rc<Ranges>>,
    /// Whether a rule has replaced the destination.
    pub(crate) translated: bool,
    /// Packet mark, if known.
    pub(crate) mark: Option<u32>,
    /// Mark of the connection, if known.
    pub(crate) connection_mark: Option<u32>,
    /// Whether conntrack has been told to leave them alone.
    pub(crate) untracked: bool,
    /// Properties that a rule has replaced by something unknown, as bits.
    unknown: u16,
    /// Whether a sender can surely bring a packet here. False after a test that cannot be decided.
    pub(crate) sure: bool,
}

/// A condition on packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Test {
    /// Every one of these properties is in these ranges.
    pub(crate) within: Vec<(Property, Ranges)>,
    pub(crate) doubt: Doubt,
}

/// Limits of a decision on a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// Exactly these packets pass.
    #[default]
    None,
    /// It also depends on something that the sender can choose either way: header fields, rate, a next attempt.
    Sender,
    /// It also depends on something unknown.
    Unknown,
}

impl Test {
    pub(crate) fn doubtful(doubt: Doubt) -> Self {
        Self { within: Vec::new(), doubt }
    }

    pub(crate) fn on(property: Property, ranges: Ranges) -> Self {
        Self { within: vec![(property, ranges)], doubt: Doubt::None }
    }
}

impl Packets {
    pub(crate) fn new(properties: [Ranges; PROPERTIES]) -> Self {
        Self {
            properties: properties.map(Rc::new),
            original_ports: None,
            translated: false,
            mark: Some(0),
            connection_mark: Some(0),
            untracked: false,
            unknown: 0,
            sure: true,
        }
    }

    pub(crate) fn get(&self, property: Property) -> &Ranges {
        self.properties.get(property.at()).map_or(&EMPTY, |ranges| ranges)
    }

    fn put(&mut self, property: Property, ranges: Ranges) {
        if let Some(place) = self.properties.get_mut(property.at()) {
            *place = Rc::new(ranges);
        }
    }

    /// The destination ports that the sender chose.
    pub(crate) fn original_ports(&self) -> &Ranges {
        self.original_ports.as_deref().unwrap_or_else(|| self.get(Property::Port))
    }

    pub(crate) fn knows(&self, property: Property) -> bool {
        self.unknown & (1 << property.at()) == 0
    }

    /// A rule writes something unknown into the packet.
    pub(crate) fn forget(&mut self, property: Property) {
        self.unknown |= 1 << property.at();
        if property == Property::Port {
            self.replace_port(None);
        }
    }

    pub(crate) fn replace_port(&mut self, ports: Option<Ranges>) {
        if self.original_ports.is_none() {
            self.original_ports = Some(Rc::new(self.get(Property::Port).clone()));
        }
        self.put(Property::Port, ports.unwrap_or_else(|| Ranges::range(0, 0xffff)));
    }

    pub(crate) fn replace_destination(&mut self, addresses: Ranges) {
        self.put(Property::Destination, addresses);
    }

    pub(crate) fn unsure(mut self) -> Self {
        self.sure = false;
        self
    }

    /// Splits into the packets that pass a test and those that do not. With a doubt, packets can be in both.
    pub(crate) fn split(self, test: Option<&Test>) -> (Option<Self>, Vec<Self>) {
        let Some(test) = test else { return (None, vec![self]) };
        let mut doubt = test.doubt;
        let mut bounds = Vec::with_capacity(test.within.len());
        for (property, ranges) in &test.within {
            if !self.knows(*property) {
                doubt = Doubt::Unknown;
                continue;
            }
            if self.get(*property).intersection(ranges).is_empty() {
                return (None, vec![self]);
            }
            bounds.push((*property, ranges));
        }
        let (mut inside, mut outside) = (self, Vec::new());
        for (property, ranges) in bounds {
            // An earlier bound may be on the same property.
            let have = inside.get(property);
            let both = have.intersection(ranges);
            if both.is_empty() {
                outside.push(inside);
                return (None, outside);
            }
            if both != *have {
                let mut rest = inside.clone();
                rest.put(property, have.without(ranges));
                outside.push(rest);
                inside.put(property, both);
            }
        }
        match doubt {
            Doubt::None => {}
            Doubt::Sender => outside.push(inside.clone()),
            Doubt::Unknown => {
                inside.sure = false;
                outside.push(inside.clone());
            }
        }
        (Some(inside), outside)
    }

    /// Returns whether what becomes of the other packets also becomes of these.
    fn is_covered_by(&self, other: &Self) -> bool {
        let same = |one: &Self| {
            (
                one.translated,
                one.mark,
                one.connection_mark,
                one.untracked,
                one.unknown,
                one.original_ports.clone(),
            )
        };
        let within =
            |(mine, others): (&Rc<Ranges>, &Rc<Ranges>)| Rc::ptr_eq(mine, others) || others.covers(mine);
        other.sure >= self.sure
            && same(self) == same(other)
            && self.properties.iter().zip(&other.properties).all(within)
    }

    /// Adds packets to a list unless it has them.
    pub(crate) fn add_to(self, list: &mut Vec<Self>) {
        // Lists are short, unless a ruleset splits the packets many times without a doubt.
        let recent = list.iter().rev().take(64);
        if !recent.into_iter().any(|other| self.is_covered_by(other)) {
            list.push(self);
        }
    }

    /// Returns whether a packet of one may have been a packet of the other, as the sender sent it.
    pub(crate) fn may_share_a_packet_with(&self, other: &Self) -> bool {
        let sent = [
            Property::Interface,
            Property::Protocol,
            Property::SourcePort,
            Property::Source,
            Property::Hardware,
        ];
        sent.into_iter().all(|property| self.get(property).overlaps(other.get(property)))
            && self.original_ports().overlaps(other.original_ports())
    }
}

static EMPTY: Ranges = Ranges::EMPTY;
