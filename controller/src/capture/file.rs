//! Capture files: classic pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), either byte order, any resolution of time.

use std::time::Duration;

use crate::io::record::pcapng::{FINISH_BLOCK, TIMER_BLOCK};

/// Interfaces of one section; what belongs to more is not a capture of ours to read.
const INTERFACES_MAX: usize = 1_024;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const PCAP_MICROSECONDS: u32 = 0xa1b2_c3d4;
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// One thing that stands in a capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Item<'a> {
    /// A section's comment (`opt_comment`).
    Comment(&'a str),
    /// A packet: when, since 1970, of which link type, and its octets, some of which may be missing at the end.
    Packet { at: Duration, link: u16, octets: &'a [u8] },
    /// Our own mark: a timer's turn.
    Timer { at: Duration },
    /// Our own mark: the core was told to finish.
    Finish { at: Duration },
    /// Packets that the one who captured did not get (`isb_ifdrop`).
    Dropped(u64),
}

/// Whether these octets begin like a capture file.
pub fn is_capture(octets: &[u8]) -> bool {
    let Some(magic) = octets.first_chunk::<4>() else { return false };
    let values = [u32::from_le_bytes(*magic), u32::from_be_bytes(*magic)];
    values.iter().any(|value| matches!(*value, SECTION_HEADER | PCAP_MICROSECONDS | PCAP_NANOSECONDS))
}

/// Whether these octets begin like a pcapng file, after which another one may follow.
pub fn is_pcapng(octets: &[u8]) -> bool {
    octets.first_chunk::<4>().is_some_and(|magic| u32::from_le_bytes(*magic) == SECTION_HEADER)
}

/// Gives every item of a file to `take`, in order.
///
/// # Errors
/// Where and why reading stopped; what came before has been given.
pub(super) fn read<'a>(octets: &'a [u8], take: &mut dyn FnMut(Item<'a>)) -> Result<(), String> {
    match octets.first_chunk::<4>() {
        Some(magic) if u32::from_le_bytes(*magic) == SECTION_HEADER => read_pcapng(octets, take),
        Some(_) => read_pcap(octets, take),
        None => Err("the file has no header".to_owned()),
    }
}

/// A byte order.
#[derive(Clone, Copy)]
struct Order {
    little: bool,
}

impl Order {
    fn u32(self, octets: &[u8], at: usize) -> Option<u32> {
        let field = *octets.get(at..)?.first_chunk::<4>()?;
        Some(if self.little { u32::from_le_bytes(field) } else { u32::from_be_bytes(field) })
    }

    fn u16(self, octets: &[u8], at: usize) -> Option<u16> {
        let field = *octets.get(at..)?.first_chunk::<2>()?;
        Some(if self.little { u16::from_le_bytes(field) } else { u16::from_be_bytes(field) })
    }
}

fn read_pcap<'a>(octets: &'a [u8], take: &mut dyn FnMut(Item<'a>)) -> Result<(), String> {
    let orders = [Order { little: true }, Order { little: false }];
    let found = orders.into_iter().find_map(|order| match order.u32(octets, 0) {
        Some(PCAP_MICROSECONDS) => Some((order, 1_000)),
        Some(PCAP_NANOSECONDS) => Some((order, 1)),
        _ => None,
    });
    let (order, unit) = found.ok_or("neither pcap nor pcapng")?;
    let link = order.u32(octets, 20).ok_or("the file's header is cut short")?;
    // The upper half holds the length of a frame check sequence.
    let link = link as u16;
    let mut at = 24;
    while at < octets.len() {
        let header = || Some((order.u32(octets, at)?, order.u32(octets, at + 4)?, order.u32(octets, at + 8)?));
        let (seconds, fraction, length) =
            header().ok_or_else(|| format!("octet {at}: a packet's header is cut short"))?;
        let start = at + 16;
        let packet = octets.get(start..).and_then(|rest| rest.get(..usize::try_from(length).ok()?));
        let packet = packet.ok_or_else(|| format!("octet {at}: a packet of {length} octets is cut short"))?;
        let at_time = Duration::from_secs(seconds.into()) + Duration::from_nanos(u64::from(fraction) * unit);
        take(Item::Packet { at: at_time, link, octets: packet });
        at = start + packet.len();
    }
    Ok(())
}

/// One interface: its link type, and how many units of its clock are a second.
#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    per_second: u64,
}

fn read_pcapng<'a>(octets: &'a [u8], take: &mut dyn FnMut(Item<'a>)) -> Result<(), String> {
    let mut order = Order { little: true };
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let rest = octets.get(at..).unwrap_or_default();
        let cut = || format!("octet {at}: a block is cut short");
        if order.u32(rest, 0) == Some(SECTION_HEADER) {
            order = match [true, false]
                .map(|little| Order { little })
                .into_iter()
                .find(|o| o.u32(rest, 8) == Some(BYTE_ORDER))
            {
                Some(order) => order,
                None => return Err(format!("octet {at}: the byte order is neither of the two")),
            };
            interfaces.clear();
        }
        let (block_type, length) = (order.u32(rest, 0).ok_or_else(cut)?, order.u32(rest, 4).ok_or_else(cut)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // Both lengths, the type, and whole words: no block is shorter, so the walk always gets on.
        if length < 12 || !length.is_multiple_of(4) {
            return Err(format!("octet {at}: a block cannot have {length} octets"));
        }
        let body = rest.get(8..length - 4).ok_or_else(cut)?;
        block(order, block_type, body, &mut interfaces, take).ok_or_else(cut)?;
        at += length;
    }
    Ok(())
}

/// One block; `None` if it is too short for what it is.
fn block<'a>(
    order: Order,
    block_type: u32,
    body: &'a [u8],
    interfaces: &mut Vec<Interface>,
    take: &mut dyn FnMut(Item<'a>),
) -> Option<()> {
    match block_type {
        SECTION_HEADER => {
            for (code, value) in options(order, body.get(16..)?) {
                if let (1, Ok(comment)) = (code, std::str::from_utf8(value)) {
                    take(Item::Comment(comment));
                }
            }
        }
        INTERFACE if interfaces.len() < INTERFACES_MAX => {
            let resolution = options(order, body.get(8..)?)
                .find(|(code, _)| *code == 9)
                .and_then(|(_, value)| value.first().copied());
            interfaces.push(Interface { link: order.u16(body, 0)?, per_second: per_second(resolution.unwrap_or(6)) });
        }
        ENHANCED_PACKET => {
            let interface = interfaces.get(usize::try_from(order.u32(body, 0)?).ok()?).copied();
            let length = usize::try_from(order.u32(body, 12)?).ok()?;
            let packet = body.get(20..)?.get(..length)?;
            if let Some(Interface { link, per_second }) = interface {
                take(Item::Packet { at: time(order, body, per_second)?, link, octets: packet });
            }
        }
        SIMPLE_PACKET => {
            let length = usize::try_from(order.u32(body, 0)?).ok()?;
            let packet = body.get(4..)?;
            if let Some(Interface { link, .. }) = interfaces.first() {
                take(Item::Packet { at: Duration::ZERO, link: *link, octets: packet.get(..length).unwrap_or(packet) });
            }
        }
        STATISTICS => {
            for (code, value) in options(order, body.get(12..)?) {
                if let (5, Some(low), Some(high)) = (code, order.u32(value, 0), order.u32(value, 4)) {
                    let (low, high) = if order.little { (low, high) } else { (high, low) };
                    take(Item::Dropped(u64::from(high) << 32 | u64::from(low)));
                }
            }
        }
        TIMER_BLOCK | FINISH_BLOCK => {
            let nanos = u64::from(order.u32(body, 0)?) << 32 | u64::from(order.u32(body, 4)?);
            let at = Duration::from_nanos(nanos);
            take(if block_type == TIMER_BLOCK { Item::Timer { at } } else { Item::Finish { at } });
        }
        // Everything else is somebody else's.
        _ => {}
    }
    Some(())
}

/// The options at the end of a block, until they end or make no sense.
fn options(order: Order, mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, length) = (order.u16(octets, 0)?, usize::from(order.u16(octets, 2)?));
        let value = octets.get(4..)?.get(..length)?;
        octets = octets.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}

/// `if_tsresol`: a power of ten, or of two if the first bit is set.
fn per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(u64::MAX)
}

/// The time of an enhanced packet block.
fn time(order: Order, body: &[u8], per_second: u64) -> Option<Duration> {
    let units = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
    let nanos = u128::from(units % per_second) * 1_000_000_000 / u128::from(per_second);
    Some(Duration::new(units / per_second, u32::try_from(nanos).unwrap_or(0)))
}
