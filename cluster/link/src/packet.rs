//! Packets and what is in a sealed one.

use bytes::{Buf, BufMut, Bytes};

/// The largest packet, in bytes: what every network between nodes must carry.
pub const MAX_PACKET: usize = 1 + LINK_BYTES + 8 + MAX_SEALED;
/// The largest Noise message (section 3 of its specification).
const MAX_SEALED: usize = 65_535;
/// The tag of ChaCha20-Poly1305.
pub(crate) const TAG: usize = 16;
/// The largest content of a sealed packet.
pub(crate) const MAX_CONTENT: usize = MAX_SEALED - TAG;
/// The largest segment: several make one packet, and no frame that fits one packet is split.
pub(crate) const MAX_SEGMENT: usize = MAX_CONTENT - Content::HEAD - 4;
pub(crate) const LINK_BYTES: usize = 8;
pub(crate) const HELLO_BYTES: usize = 1 + 8 + 64;

/// The name of one handshake and the link that comes of it.
pub(crate) type LinkId = [u8; LINK_BYTES];

/// A packet as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Hello { boot: u64, signature: &'a [u8; 64] },
    Handshake { step: Step, link: LinkId, message: &'a [u8] },
    Sealed { link: LinkId, number: u64, message: &'a [u8] },
}

/// The messages of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    First = 1,
    Second = 2,
    Third = 3,
}

const HELLO: u8 = 0;
const SEALED: u8 = 4;

impl<'a> Packet<'a> {
    /// Reads a packet, or `None` of what is none.
    pub(crate) fn read(packet: &'a [u8]) -> Option<Self> {
        if packet.len() > MAX_PACKET {
            return None;
        }
        let (kind, rest) = packet.split_first()?;
        let step = match *kind {
            HELLO => {
                let (boot, signature) = rest.split_first_chunk()?;
                return Some(Self::Hello {
                    boot: u64::from_le_bytes(*boot),
                    signature: signature.try_into().ok()?,
                });
            }
            SEALED => {
                let (link, rest) = rest.split_first_chunk()?;
                let (number, message) = rest.split_first_chunk()?;
                return Some(Self::Sealed { link: *link, number: u64::from_le_bytes(*number), message });
            }
            1 => Step::First,
            2 => Step::Second,
            3 => Step::Third,
            _ => return None,
        };
        let (link, message) = rest.split_first_chunk()?;
        Some(Self::Handshake { step, link: *link, message })
    }
}

pub(crate) fn hello(boot: u64, signature: &[u8; 64]) -> Bytes {
    let mut packet = Vec::with_capacity(HELLO_BYTES);
    packet.put_u8(HELLO);
    packet.put_u64_le(boot);
    packet.put_slice(signature);
    packet.into()
}

pub(crate) fn handshake(step: Step, link: LinkId, message: &[u8]) -> Bytes {
    let mut packet = Vec::with_capacity(1 + LINK_BYTES + message.len());
    packet.put_u8(step as u8);
    packet.put_slice(&link);
    packet.put_slice(message);
    packet.into()
}

pub(crate) fn sealed(link: LinkId, number: u64, message: &[u8]) -> Bytes {
    let mut packet = Vec::with_capacity(1 + LINK_BYTES + 8 + message.len());
    packet.put_u8(SEALED);
    packet.put_slice(&link);
    packet.put_u64_le(number);
    packet.put_slice(message);
    packet.into()
}

/// A part of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) bytes: Bytes,
    /// Whether the frame goes on in the next segment.
    pub(crate) more: bool,
}

/// What a segment is charged beyond its length, so that empty frames are not without bound.
const SEGMENT_OVERHEAD: usize = 64;
const MORE: u32 = 1 << 31;

impl Segment {
    pub(crate) fn charge(&self) -> usize {
        self.bytes.len().saturating_add(SEGMENT_OVERHEAD)
    }

    /// Its length within a packet.
    pub(crate) fn encoded(&self) -> usize {
        self.bytes.len().saturating_add(4)
    }
}

/// The charge of a frame of so many bytes, all segments together.
pub(crate) fn charge_of(frame: usize) -> usize {
    let segments = frame.div_ceil(MAX_SEGMENT).max(1);
    frame.saturating_add(segments.saturating_mul(SEGMENT_OVERHEAD))
}

/// What a sealed packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) flags: Flags,
    /// The number of the segment that the sender expects next: all below have arrived.
    pub(crate) received: u64,
    /// How many segments were taken from the sender's side of the link.
    pub(crate) taken: u64,
    /// The number of the first of the segments.
    pub(crate) first: u64,
    pub(crate) segments: Vec<Segment>,
}

/// What is asked with a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// An acknowledgement, at once.
    pub(crate) answer: bool,
    /// The sender leaves: nothing follows.
    pub(crate) goodbye: bool,
}

/// What an authenticated peer must not do. It ends the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A sealed packet that does not follow the format.
    #[error("a packet that is malformed inside")]
    Malformed,
    /// More than the window was sent.
    #[error("more was sent than the window takes")]
    Window,
    /// A frame beyond the limit.
    #[error("a frame of more than {0} bytes")]
    FrameTooLarge(usize),
    /// Segments acknowledged or taken that were never sent.
    #[error("segments acknowledged that were not sent")]
    Acknowledgement,
}

impl Content {
    pub(crate) const HEAD: usize = 1 + 3 * 8;

    pub(crate) fn read(mut content: &[u8]) -> Result<Self, Misbehaviour> {
        if content.len() < Self::HEAD {
            return Err(Misbehaviour::Malformed);
        }
        let flags = content.get_u8();
        if flags > 3 {
            return Err(Misbehaviour::Malformed);
        }
        let flags = Flags { answer: flags & 1 != 0, goodbye: flags & 2 != 0 };
        let (received, taken, first) = (content.get_u64_le(), content.get_u64_le(), content.get_u64_le());
        let mut segments = Vec::new();
        while !content.is_empty() {
            let head = content.split_first_chunk().ok_or(Misbehaviour::Malformed)?;
            let head = (u32::from_le_bytes(*head.0), head.1);
            let length = (head.0 & !MORE) as usize;
            let (bytes, rest) = head.1.split_at_checked(length).ok_or(Misbehaviour::Malformed)?;
            segments.push(Segment { bytes: Bytes::copy_from_slice(bytes), more: head.0 & MORE != 0 });
            content = rest;
        }
        Ok(Self { flags, received, taken, first, segments })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let length: usize = self.segments.iter().map(Segment::encoded).sum();
        let mut content = Vec::with_capacity(Self::HEAD.saturating_add(length));
        content.put_u8(u8::from(self.flags.answer) | u8::from(self.flags.goodbye) << 1);
        content.put_u64_le(self.received);
        content.put_u64_le(self.taken);
        content.put_u64_le(self.first);
        for segment in &self.segments {
            // A segment is shorter than a packet.
            let length = segment.bytes.len() as u32;
            content.put_u32_le(length | if segment.more { MORE } else { 0 });
            content.put_slice(&segment.bytes);
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        let link = [7; LINK_BYTES];
        let signature = [9; 64];
        assert_eq!(
            Packet::read(&hello(5, &signature)),
            Some(Packet::Hello { boot: 5, signature: &signature })
        );
        for step in [Step::First, Step::Second, Step::Third] {
            let expected = Packet::Handshake { step, link, message: b"m" };
            assert_eq!(Packet::read(&handshake(step, link, b"m")), Some(expected));
        }
        let expected = Packet::Sealed { link, number: u64::MAX - 1, message: b"s" };
        assert_eq!(Packet::read(&sealed(link, u64::MAX - 1, b"s")), Some(expected));
        for none in [&b""[..], &[5; 40], &[0; 72], &[0; 74], &[4; 16], &[1; 8]] {
            assert_eq!(Packet::read(none), None, "{none:?}");
        }
        assert_eq!(Packet::read(&vec![4; MAX_PACKET + 1]), None);
    }

    proptest! {
        #[test]
        fn content_is_read_as_it_was_written(
            flags: (bool, bool), numbers: (u64, u64, u64),
            segments in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..50), any::<bool>()), 0..5),
        ) {
            let segments = segments.into_iter().map(|(bytes, more)| Segment { bytes: bytes.into(), more });
            let content = Content {
                flags: Flags { answer: flags.0, goodbye: flags.1 },
                received: numbers.0, taken: numbers.1, first: numbers.2, segments: segments.collect(),
            };
            prop_assert_eq!(Content::read(&content.write()), Ok(content));
        }

        #[test]
        fn any_bytes_are_content_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(content) = Content::read(&bytes) {
                prop_assert_eq!(content.write(), bytes);
            }
        }
    }
}
