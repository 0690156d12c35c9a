//! The controller's own link probe: an ordinary LLDP frame that a host can see but not make. The same data unit in a broadcast frame with
//! ethertype 0x8942 (BDDP: what other controllers use, too) passes through switches that are not ours.
//!
//! The mandatory TLVs name the port that the frame leaves by, readable for any LLDP listener: chassis id `dpid:` and 16 hex digits, port
//! id the decimal port number, both locally assigned. One organizationally specific TLV proves it:
//!
//! ```text
//! | OUI 24 = 72-75-6e | subtype 8 = 1 | version 8 = 2 | run 64 | nonce 64 | time 64 | authentication code 128 |
//! ```
//!
//! The run is a public number that goes with the key: it tells a probe of another controller, or of an earlier run, from a forged one. The
//! authentication code is HMAC-SHA256, cut to 16 octets (RFC 2104 §5), with a key of this run over version, way, datapath id, port number, nonce and
//! time. Who can't make the code can't invent a link; who copies a probe is caught by the nonce, which counts once, and by the
//! time. (A relay that is fast and hands over the only copy is not caught: that takes a bound on the latency.)
//!
//! The OUI: no IEEE assignment is needed or claimed. With the local bit set and 00 above it, 72-75-6e lies in the quadrant that IEEE
//! 802c leaves to local administration, so that it can't clash with anybody's assigned OUI or company id. Nothing rests on it being ours: a
//! stranger's TLV with the same number fails authentication.

use bytes::{BufMut, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use net::packet::{EtherType, EthernetHeader};
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use sha2::Sha256;

use crate::lldp::{ChassisIdSubtype, PortIdSubtype, put_header, put_identifier, tlv_type};

/// Seconds for which another LLDP listener may believe the frame.
const TTL_SECONDS: u16 = 120;
const OUI: [u8; 3] = [0x72, 0x75, 0x6e];
const SUBTYPE: u8 = 1;
const VERSION: u8 = 2;
const RUN_LEN: usize = 8;
const CODE_LEN: usize = 16;
/// OUI, subtype, version, run, nonce, time, code.
const INFORMATION_LEN: usize = 3 + 1 + 1 + RUN_LEN + 8 + 8 + CODE_LEN;
/// TLVs that are looked at in search of ours, which stands fourth: a frame full of tiny TLVs costs no more than this.
const MAX_TLVS: usize = 8;
/// The capacity to build a probe in: 14 + 2 + 22 + 2 + 11 + 4 + 2 + 45 + 2, rounded up.
const FRAME_CAPACITY: usize = 112;

/// The ethertype of broadcast probes, BDDP: no standard's, but what Floodlight, ONOS and others use.
pub const BDDP: EtherType = EtherType(0x8942);

/// By which frame a probe travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProbeWay {
    /// LLDP to the nearest bridge (IEEE 802.1AB-2016 §7.1): ends at the next switch, whosesoever it is.
    NearestBridge,
    /// BDDP to all stations: passes through switches that are not ours.
    Broadcast,
}

impl ProbeWay {
    const fn destination(self) -> MacAddr {
        match self {
            ProbeWay::NearestBridge => MacAddr::LLDP_NEAREST_BRIDGE,
            ProbeWay::Broadcast => MacAddr::BROADCAST,
        }
    }

    const fn ethertype(self) -> EtherType {
        match self {
            ProbeWay::NearestBridge => EtherType::LLDP,
            ProbeWay::Broadcast => BDDP,
        }
    }
}

/// What a probe says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The port that it leaves by.
    pub port: PortId,
    /// A number that is used once.
    pub nonce: u64,
    /// When it was made.
    pub sent_at: Time,
    /// How it travels.
    pub way: ProbeWay,
}

/// Why a frame is not a probe of this run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeError {
    /// It does not carry the probe TLV at all: somebody's LLDP.
    NotAProbe,
    /// It does, and names another run or another version: another controller's, or left over from before a restart.
    Foreign,
    /// It says that it is of this run, and its authentication code or its form is wrong.
    Forged,
}

/// The key of one run: makes and checks authentication codes and makes nonces.
#[derive(Clone)]
pub struct ProbeKey {
    keyed: Hmac<Sha256>,
    run: [u8; RUN_LEN],
    seed: u64,
    counter: u64,
}

impl ProbeKey {
    /// From 32 octets that nobody else knows and that are new in each run. `seed` makes the nonces of two machines with the same
    /// key differ.
    pub fn new(key: [u8; 32], seed: u64) -> ProbeKey {
        // RFC 2104 §2: a key shorter than a block is filled up with zeros.
        let mut block = [0; 64];
        let (head, _) = block.split_at_mut(key.len());
        head.copy_from_slice(&key);
        let keyed = <Hmac<Sha256> as Mac>::new(&block.into());
        let code: [u8; 32] = keyed.clone().chain_update(b"trunkline run").finalize().into_bytes().into();
        ProbeKey { keyed, run: code.first_chunk().copied().unwrap_or_default(), seed, counter: 0 }
    }

    /// The next nonce: an HMAC over a counter, so that no host can tell what comes next, and a replayed run gives the same ones.
    pub fn next_nonce(&mut self) -> u64 {
        self.counter += 1;
        let mut mac = self.keyed.clone();
        mac.update(b"trunkline nonce");
        mac.update(&self.seed.to_be_bytes());
        mac.update(&self.counter.to_be_bytes());
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        u64::from_be_bytes(code.first_chunk().copied().unwrap_or_default())
    }

    fn authenticator(&self, probe: &Probe) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(b"trunkline probe");
        mac.update(&[VERSION, probe.way as u8]);
        mac.update(&probe.port.datapath_id.0.to_be_bytes());
        mac.update(&probe.port.port_no.0.to_be_bytes());
        mac.update(&probe.nonce.to_be_bytes());
        mac.update(&probe.sent_at.as_nanos().to_be_bytes());
        mac
    }
}

impl std::fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key itself never gets into a log.
        f.debug_struct("ProbeKey").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Probe {
    /// The whole Ethernet frame, from the port's own MAC address to the nearest bridge or to everybody.
    pub fn encode(&self, source: MacAddr, key: &ProbeKey) -> Bytes {
        let mut out = BytesMut::with_capacity(FRAME_CAPACITY);
        EthernetHeader::new(source, self.way.destination(), self.way.ethertype()).encode(&mut out);
        // Every length below is fixed or at most that of a u32 in decimal, so nothing can be too long for a TLV.
        let chassis = format!("dpid:{}", self.port.datapath_id);
        let port = self.port.port_no.0.to_string();
        let _ =
            put_identifier(&mut out, tlv_type::CHASSIS_ID, ChassisIdSubtype::LOCALLY_ASSIGNED.0, chassis.as_bytes());
        let _ = put_identifier(&mut out, tlv_type::PORT_ID, PortIdSubtype::LOCALLY_ASSIGNED.0, port.as_bytes());
        let _ = put_header(&mut out, tlv_type::TTL, 2);
        out.put_u16(TTL_SECONDS);
        let _ = put_header(&mut out, tlv_type::ORGANIZATIONALLY_SPECIFIC, INFORMATION_LEN);
        out.put_slice(&OUI);
        out.put_u8(SUBTYPE);
        out.put_u8(VERSION);
        out.put_slice(&key.run);
        out.put_u64(self.nonce);
        out.put_u64(self.sent_at.as_nanos());
        let code = key.authenticator(self).finalize().into_bytes();
        out.put_slice(code.get(..CODE_LEN).unwrap_or_default());
        let _ = put_header(&mut out, tlv_type::END, 0);
        out.freeze()
    }

    /// Reads a frame and checks its authentication code. Allocates nothing; whether nonce and time are good is the caller's business.
    pub fn parse(frame: &[u8], key: &ProbeKey) -> Result<Probe, ProbeError> {
        let Ok((ethernet, octets)) = EthernetHeader::parse(frame) else { return Err(ProbeError::NotAProbe) };
        let way = match ethernet.ethertype {
            EtherType::LLDP => ProbeWay::NearestBridge,
            BDDP => ProbeWay::Broadcast,
            _ => return Err(ProbeError::NotAProbe),
        };
        let mut tlvs = Tlvs { octets };
        let (Some(chassis), Some(port)) = (tlvs.next(), tlvs.next()) else { return Err(ProbeError::NotAProbe) };
        let prefix = [OUI[0], OUI[1], OUI[2], SUBTYPE];
        let ours = |(tlv_type, value): (u8, &'_ [u8])| {
            tlv_type == tlv_type::ORGANIZATIONALLY_SPECIFIC && value.starts_with(&prefix)
        };
        let Some((_, information)) = tlvs.take(MAX_TLVS).find(|tlv| ours(*tlv)) else {
            return Err(ProbeError::NotAProbe);
        };
        let run = information.get(prefix.len()..).and_then(|rest| rest.strip_prefix(&[VERSION]));
        if !run.is_some_and(|run| run.starts_with(&key.run)) {
            return Err(ProbeError::Foreign);
        }
        let (probe, code) = read(way, chassis, port, information).ok_or(ProbeError::Forged)?;
        // Compares in constant time.
        key.authenticator(&probe).verify_truncated_left(code).map_err(|_| ProbeError::Forged)?;
        Ok(probe)
    }
}

fn read<'a>(
    way: ProbeWay,
    chassis: (u8, &[u8]),
    port: (u8, &[u8]),
    information: &'a [u8],
) -> Option<(Probe, &'a [u8])> {
    let (tlv_type::CHASSIS_ID, [subtype, chassis @ ..]) = chassis else { return None };
    if *subtype != ChassisIdSubtype::LOCALLY_ASSIGNED.0 {
        return None;
    }
    let (tlv_type::PORT_ID, [subtype, port @ ..]) = port else { return None };
    if *subtype != PortIdSubtype::LOCALLY_ASSIGNED.0 {
        return None;
    }
    let datapath_id: DatapathId = std::str::from_utf8(chassis).ok()?.strip_prefix("dpid:")?.parse().ok()?;
    let port_no = PortNo(std::str::from_utf8(port).ok()?.parse().ok()?);
    let (fixed, code) = information.split_first_chunk::<{ INFORMATION_LEN - CODE_LEN }>()?;
    let [_, _, _, _, VERSION, numbers @ ..] = fixed else { return None };
    let nonce = u64::from_be_bytes(*numbers.get(RUN_LEN..)?.first_chunk()?);
    let sent_at = Time::from_nanos(u64::from_be_bytes(*numbers.last_chunk()?));
    let probe = Probe { port: PortId::new(datapath_id, port_no), nonce, sent_at, way };
    if code.len() == CODE_LEN { Some((probe, code)) } else { None }
}

/// The TLVs of an LLDPDU up to its End or to where they can't be read.
struct Tlvs<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (header, rest) = self.octets.split_first_chunk()?;
        let header = u16::from_be_bytes(*header);
        let (value, rest) = rest.split_at_checked(usize::from(header & 0x1ff))?;
        self.octets = rest;
        match (header >> 9) as u8 {
            tlv_type::END => None,
            tlv_type => Some((tlv_type, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lldp::{LldpFrame, decode_for_display};

    const SOURCE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn key() -> ProbeKey {
        ProbeKey::new([7; 32], 1)
    }

    fn probe() -> Probe {
        let port = PortId::new(DatapathId(0xabc), PortNo(12));
        Probe { port, nonce: 99, sent_at: Time::from_secs(5), way: ProbeWay::NearestBridge }
    }

    #[test]
    fn a_probe_is_an_ordinary_lldp_frame_without_problems() {
        let frame = probe().encode(SOURCE, &key());
        let report = decode_for_display(&frame).unwrap();
        assert_eq!((report.chassis_id.id.as_str(), report.port_id.id.as_str()), ("dpid:0000000000000abc", "12"));
        assert_eq!(report.problems, []);
        assert!(LldpFrame::parse(&frame).unwrap().padding.is_empty());
        assert!(frame.len() >= 60 && frame.len() <= FRAME_CAPACITY, "{}", frame.len());
    }

    #[test]
    fn a_probe_of_another_run_is_foreign_and_one_with_a_wrong_code_forged() {
        let other = ProbeKey::new([8; 32], 1);
        assert_eq!(Probe::parse(&probe().encode(SOURCE, &other), &key()), Err(ProbeError::Foreign));
        let pretending = ProbeKey { run: key().run, ..other };
        assert_eq!(Probe::parse(&probe().encode(SOURCE, &pretending), &key()), Err(ProbeError::Forged));
    }

    #[test]
    fn a_probe_does_not_change_its_way() {
        let broadcast = Probe { way: ProbeWay::Broadcast, ..probe() };
        let mut frame = broadcast.encode(SOURCE, &key()).to_vec();
        assert_eq!((&frame[..6], &frame[12..14]), (&[0xff; 6][..], &[0x89, 0x42][..]));
        assert_eq!(Probe::parse(&frame, &key()), Ok(broadcast));
        frame[12..14].copy_from_slice(&[0x88, 0xcc]);
        assert_eq!(Probe::parse(&frame, &key()), Err(ProbeError::Forged));
    }

    #[test]
    fn padding_and_a_vlan_tag_do_not_spoil_a_probe() {
        let frame = probe().encode(SOURCE, &key());
        let mut tagged = frame[..12].to_vec();
        tagged.extend([0x81, 0, 0, 5]);
        tagged.extend(&frame[12..]);
        tagged.extend([0; 9]);
        assert_eq!(Probe::parse(&tagged, &key()), Ok(probe()));
    }

    #[test]
    fn nonces_follow_from_key_and_seed_and_do_not_repeat() {
        let nonces = |seed| {
            let mut key = ProbeKey::new([7; 32], seed);
            (0..1_000).map(|_| key.next_nonce()).collect::<Vec<_>>()
        };
        assert_eq!(nonces(1), nonces(1));
        assert_ne!(nonces(1), nonces(2));
        assert_eq!(nonces(1).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn debug_output_does_not_show_the_key() {
        assert_eq!(format!("{:?}", key()), "ProbeKey { counter: 0, .. }");
    }

    proptest! {
        #[test]
        fn a_probe_parses_as_it_was_built(datapath_id: u64, port_no: u32, nonce: u64, sent_at: u64, broadcast: bool) {
            let port = PortId::new(DatapathId(datapath_id), PortNo(port_no));
            let way = if broadcast { ProbeWay::Broadcast } else { ProbeWay::NearestBridge };
            let probe = Probe { port, nonce, sent_at: Time::from_nanos(sent_at), way };
            prop_assert_eq!(Probe::parse(&probe.encode(SOURCE, &key()), &key()), Ok(probe));
        }

        #[test]
        fn no_changed_octet_of_the_data_unit_gives_another_probe(at in 14usize..104, flip in 1u8..) {
            let mut frame = probe().encode(SOURCE, &key()).to_vec();
            if let Some(octet) = frame.get_mut(at) {
                *octet ^= flip;
            }
            // The TTL and the End TLV are not authenticated: changing them changes nothing that is believed.
            if let Ok(parsed) = Probe::parse(&frame, &key()) {
                prop_assert_eq!(parsed, probe());
            }
        }

        #[test]
        fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(Probe::parse(&octets, &key()).is_err());
        }
    }
}
