//! Open vSwitch's own actions from text.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use net::PortNo;

use super::SyntaxError;
use super::action::{Context, actions, one_of, output_to, unknown_argument};
use super::field::{field_named, port_of_16_bits, subfield};
use super::learn::learn;
use super::text::{Pair, Pairs, Piece};
use crate::action::{Action, CONTROLLER_NO_BUFFER};
use crate::display::nicira::{
    ALG_FTP, ALG_TFTP, BUNDLE_ALGORITHMS, ENCAPSULATIONS, HASH_FIELDS, MULTIPATH_ALGORITHMS, NSH_CLASS, NSH_MD_TYPE,
    NSH_TLV, PACKET_IN_REASONS, USE_NEXT_PROTOCOL,
};
use crate::identifier::TableId;
use crate::nicira::{
    BundlePorts, ConnectionTracking, ControllerProperty, CtFlags, CtZone, Encap, EncapProperty, Multipath, Nat,
    NatFlags, NatPorts, NatRange, NiciraAction, Sample, SampleDirection, SamplingPort,
};
use crate::packet::PacketInReason;

/// One of Open vSwitch's own actions but `clone` and `ct`. `None` if the name is none of theirs.
pub(super) fn action(name: &str, pair: Pair<'_>) -> Result<Option<Action>, SyntaxError> {
    let value = pair.value;
    Ok(Some(Action::Nicira(match name {
        "controller" => return controller(pair).map(Some),
        "resubmit" => resubmit(pair)?,
        "move" => {
            let (source, destination) = arrow(pair.some_value()?)?;
            let (from, to) = (subfield(source)?, subfield(destination)?);
            if from.bits != to.bits {
                return Err(destination.error(format!("{} bits, as many as the source has", from.bits)));
            }
            NiciraAction::RegMove { source: from, destination: to }
        }
        "push" => NiciraAction::StackPush(subfield(pair.some_value()?)?),
        "pop" => NiciraAction::StackPop(subfield(pair.some_value()?)?),
        "dec_ttl" => {
            let ids = value.words().map(Piece::u16).collect::<Result<Vec<u16>, SyntaxError>>()?;
            if ids.is_empty() {
                return Err(value.error("at least one controller's number"));
            }
            NiciraAction::DecTtlCntIds(ids)
        }
        "dec_nsh_ttl" => NiciraAction::DecNshTtl,
        "delete_field" => {
            let name = pair.some_value()?;
            let Some(kind) = field_named(name.text) else { return Err(name.error("a field").suggest_field([])) };
            NiciraAction::DeleteField(kind)
        }
        "encap" => NiciraAction::Encap(Box::new(encap(pair)?)),
        "decap" => NiciraAction::Decap { packet_type: decap(value)? },
        "pop_queue" => NiciraAction::PopQueue,
        "fin_timeout" => fin_timeout(value)?,
        "learn" => NiciraAction::Learn(Box::new(learn(value)?)),
        "conjunction" => conjunction(pair)?,
        "multipath" => NiciraAction::Multipath(Box::new(multipath(value)?)),
        "bundle" | "bundle_load" => NiciraAction::Bundle(Box::new(bundle(value, name == "bundle_load")?)),
        "note" => NiciraAction::Note(note(value)?),
        "exit" => NiciraAction::Exit,
        "sample" => NiciraAction::Sample(Box::new(sample(value)?)),
        "ct_clear" => NiciraAction::CtClear,
        "nat" => NiciraAction::Nat(Box::new(nat(value)?)),
        "check_pkt_larger" => {
            let Some(destination) = pair.destination else {
                return Err(pair.key.error("check_pkt_larger(LENGTH)->FIELD[BIT]"));
            };
            let to = subfield(destination)?;
            if to.bits != 1 {
                return Err(destination.error("one bit"));
            }
            NiciraAction::CheckPktLarger { length: value.u16()?, destination: to }
        }
        _ => return Ok(None),
    })))
}

fn arrow(text: Piece<'_>) -> Result<(Piece<'_>, Piece<'_>), SyntaxError> {
    text.split_once("->").ok_or_else(|| text.error("SOURCE->DESTINATION"))
}

fn controller(pair: Pair<'_>) -> Result<Action, SyntaxError> {
    let value = pair.value;
    if value.is_empty() {
        return Ok(output_to(PortNo::CONTROLLER, CONTROLLER_NO_BUFFER));
    }
    if value.text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(output_to(PortNo::CONTROLLER, value.u16()?));
    }
    let (mut max_len, mut controller_id, mut reason) = (CONTROLLER_NO_BUFFER, 0, PacketInReason::ACTION);
    let (mut userdata, mut pause, mut meter_id) = (None, false, None);
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "reason" => {
                let word = argument.some_value()?;
                reason = match word.u8() {
                    Ok(number) => PacketInReason(number),
                    Err(_) => one_of(word, &PACKET_IN_REASONS)?,
                };
            }
            "max_len" => max_len = argument.some_value()?.u16()?,
            "id" => controller_id = argument.some_value()?.u16()?,
            "userdata" => {
                userdata = Some(Bytes::from(argument.value.hex_octets()?)).filter(|octets| !octets.is_empty())
            }
            "pause" => pause = true,
            "meter_id" => meter_id = Some(argument.some_value()?.u32()?),
            _ => {
                let names = &["reason", "max_len", "id", "userdata", "pause", "meter_id"];
                return Err(unknown_argument(argument, "controller", names));
            }
        }
    }
    if userdata.is_none() && !pause && meter_id.is_none() {
        if reason == PacketInReason::ACTION && controller_id == 0 {
            return Ok(output_to(PortNo::CONTROLLER, max_len));
        }
        return Ok(Action::Nicira(NiciraAction::Controller { max_len, controller_id, reason }));
    }
    let mut properties = Vec::new();
    if max_len != CONTROLLER_NO_BUFFER {
        properties.push(ControllerProperty::MaxLen(max_len));
    }
    if controller_id != 0 {
        properties.push(ControllerProperty::ControllerId(controller_id));
    }
    if reason != PacketInReason::ACTION {
        properties.push(ControllerProperty::Reason(reason));
    }
    properties.extend(userdata.map(ControllerProperty::Userdata));
    properties.extend(pause.then_some(ControllerProperty::Pause));
    properties.extend(meter_id.map(ControllerProperty::MeterId));
    Ok(Action::Nicira(NiciraAction::Controller2(properties)))
}

/// `output(port=PORT,max_len=OCTETS)`.
pub(super) fn output_truncated(value: Piece<'_>) -> Result<Action, SyntaxError> {
    let (mut to, mut max_len) = (None, None);
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "port" => to = Some(port_of_16_bits(argument.some_value()?)?),
            "max_len" => {
                let octets = argument.some_value()?;
                // An Ethernet header is the least.
                max_len = Some(octets.u32()?).filter(|length| *length >= 14);
                if max_len.is_none() {
                    return Err(octets.error("at least 14 octets"));
                }
            }
            _ => return Err(unknown_argument(argument, "output", &["port", "max_len"])),
        }
    }
    match (to, max_len) {
        (Some(port), Some(max_len)) => Ok(Action::Nicira(NiciraAction::OutputTrunc { port, max_len })),
        _ => Err(value.error("port=PORT,max_len=OCTETS")),
    }
}

/// `resubmit:PORT`, `resubmit(PORT,TABLE[,ct])`, each part can be left out.
fn resubmit(pair: Pair<'_>) -> Result<NiciraAction, SyntaxError> {
    let value = pair.some_value()?;
    let (first, rest) = value.split_once(",").unwrap_or((value, value.from(value.text.len())));
    let (second, third) = rest.split_once(",").unwrap_or((rest, rest.from(rest.text.len())));
    let (first, second, third) = (first.trim(), second.trim(), third.trim());
    let in_port = if first.is_empty() { PortNo::IN_PORT } else { port_of_16_bits(first)? };
    let table_id = if second.is_empty() { TableId::ALL } else { TableId(second.u8()?) };
    let with_ct = match third.text {
        "" => false,
        "ct" => true,
        _ => return Err(third.error("ct or nothing")),
    };
    if in_port == PortNo::IN_PORT && table_id == TableId::ALL {
        return Err(value.error("a port or a table"));
    }
    Ok(NiciraAction::ResubmitTable { in_port, table_id, with_ct })
}

fn fin_timeout(value: Piece<'_>) -> Result<NiciraAction, SyntaxError> {
    let (mut idle_timeout, mut hard_timeout) = (0, 0);
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "idle_timeout" => idle_timeout = argument.some_value()?.u16()?,
            "hard_timeout" => hard_timeout = argument.some_value()?.u16()?,
            _ => return Err(unknown_argument(argument, "fin_timeout", &["idle_timeout", "hard_timeout"])),
        }
    }
    Ok(NiciraAction::FinTimeout { idle_timeout, hard_timeout })
}

/// `conjunction(ID,K/N)`.
fn conjunction(pair: Pair<'_>) -> Result<NiciraAction, SyntaxError> {
    let wrong = || pair.value.error("conjunction(ID,K/N)");
    let (id, rest) = pair.value.split_once(",").ok_or_else(wrong)?;
    let (clause, clauses) = rest.split_once("/").ok_or_else(wrong)?;
    let (id, clauses_text) = (id.trim().u32()?, clauses.trim());
    let clauses = clauses_text.u8()?;
    if !(2..=64).contains(&clauses) {
        return Err(clauses_text.error("2 to 64 clauses"));
    }
    let clause_text = clause.trim();
    let clause = clause_text.u8()?;
    if clause == 0 || clause > clauses {
        return Err(clause_text.error(format!("a clause from 1 to {clauses}")));
    }
    Ok(NiciraAction::Conjunction { clause: clause - 1, clauses, id })
}

/// `multipath(FIELDS, BASIS, ALGORITHM, LINKS, ARGUMENT, DESTINATION)`.
fn multipath(value: Piece<'_>) -> Result<Multipath, SyntaxError> {
    let words: Vec<Piece<'_>> = value.words().collect();
    let [fields, basis, algorithm, links, argument, to] = words.as_slice() else {
        return Err(value.error("FIELDS,BASIS,ALGORITHM,LINKS,ARGUMENT,DESTINATION"));
    };
    let count = links.number(65_536)?;
    let Some(max_link) = count.checked_sub(1) else { return Err(links.error("at least one link")) };
    let destination = subfield(*to)?;
    if destination.bits < 16 && count > 1 << destination.bits {
        return Err(to.error(format!("room for {count} links")));
    }
    Ok(Multipath {
        fields: one_of(*fields, &HASH_FIELDS)?,
        basis: basis.u16()?,
        algorithm: one_of(*algorithm, &MULTIPATH_ALGORITHMS)?,
        max_link: max_link as u16,
        argument: argument.u32()?,
        destination,
    })
}

/// `bundle(FIELDS,BASIS,ALGORITHM,ofport,members:PORT,...)`; `bundle_load` has a destination before the members.
fn bundle(value: Piece<'_>, with_destination: bool) -> Result<BundlePorts, SyntaxError> {
    let wrong = || value.error("FIELDS,BASIS,ALGORITHM,ofport,members:PORT,...");
    let (head, members) = match value.split_once("members:").or_else(|| value.split_once("slaves:")) {
        Some((head, members)) => (head, members),
        None => return Err(wrong()),
    };
    let words: Vec<Piece<'_>> = head.words().collect();
    let (fields, basis, algorithm, of, destination) = match words.as_slice() {
        [fields, basis, algorithm, of] if !with_destination => (fields, basis, algorithm, of, None),
        [fields, basis, algorithm, of, to] if with_destination => (fields, basis, algorithm, of, Some(subfield(*to)?)),
        _ => return Err(wrong()),
    };
    if !of.text.eq_ignore_ascii_case("ofport") {
        return Err(of.error("ofport"));
    }
    // Older versions of Open vSwitch print the members in brackets.
    let members = Piece { text: members.text.trim_start_matches('[').trim_end_matches(']'), ..members };
    Ok(BundlePorts {
        algorithm: one_of(*algorithm, &BUNDLE_ALGORITHMS)?,
        fields: one_of(*fields, &HASH_FIELDS)?,
        basis: basis.u16()?,
        destination,
        members: members.words().map(port_of_16_bits).collect::<Result<Vec<PortNo>, SyntaxError>>()?,
    })
}

/// The octets of a note are filled up to the end of the action.
fn note(value: Piece<'_>) -> Result<Bytes, SyntaxError> {
    let mut octets = value.hex_octets()?;
    while octets.len() % 8 != 6 {
        octets.push(0);
    }
    Ok(Bytes::from(octets))
}

fn sample(value: Piece<'_>) -> Result<Sample, SyntaxError> {
    let mut sample = Sample { probability: 0, collector_set_id: 0, obs_domain_id: 0, obs_point_id: 0, sampling: None };
    let (mut sampling_port, mut direction) = (PortNo::ANY, None);
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "probability" => sample.probability = argument.some_value()?.u16()?,
            "collector_set_id" => sample.collector_set_id = argument.some_value()?.u32()?,
            "obs_domain_id" => sample.obs_domain_id = argument.some_value()?.u32()?,
            "obs_point_id" => sample.obs_point_id = argument.some_value()?.u32()?,
            "sampling_port" => sampling_port = port_of_16_bits(argument.some_value()?)?,
            "ingress" => direction = Some(SampleDirection::INGRESS),
            "egress" => direction = Some(SampleDirection::EGRESS),
            _ => {
                let names = &[
                    "probability",
                    "collector_set_id",
                    "obs_domain_id",
                    "obs_point_id",
                    "sampling_port",
                    "ingress",
                    "egress",
                ];
                return Err(unknown_argument(argument, "sample", names));
            }
        }
    }
    if sample.probability == 0 {
        return Err(value.error("a probability from 1 to 65535"));
    }
    if direction.is_some() || sampling_port != PortNo::ANY {
        sample.sampling = Some(SamplingPort { port: sampling_port, direction });
    }
    Ok(sample)
}

/// `ct(...)`.
pub(super) fn ct(value: Piece<'_>, context: Context) -> Result<Action, SyntaxError> {
    let mut ct = ConnectionTracking {
        flags: CtFlags::NONE,
        zone: CtZone::Immediate(0),
        table_id: None,
        alg: 0,
        actions: Vec::new(),
    };
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "commit" => ct.flags = ct.flags | CtFlags::COMMIT,
            "force" => ct.flags = ct.flags | CtFlags::FORCE,
            "table" => {
                let table = argument.some_value()?;
                ct.table_id = Some(TableId(table.number(254)? as u8));
            }
            "zone" => {
                let zone = argument.some_value()?;
                ct.zone = match zone.u16() {
                    Ok(number) => CtZone::Immediate(number),
                    Err(_) => CtZone::Field(subfield(zone)?),
                };
            }
            "alg" => {
                let protocol = argument.some_value()?;
                ct.alg = match protocol.u16() {
                    Ok(port) => port,
                    Err(_) => one_of(protocol, &[("ftp", ALG_FTP), ("tftp", ALG_TFTP)])?,
                };
            }
            "nat" => ct.actions.push(Action::Nicira(NiciraAction::Nat(Box::new(nat(argument.value)?)))),
            "exec" => ct.actions.extend(actions(argument.value, context)?),
            _ => {
                let names = &["commit", "force", "table", "zone", "alg", "nat", "exec"];
                return Err(unknown_argument(argument, "ct", names));
            }
        }
    }
    if ct.flags.contains(CtFlags::FORCE) && !ct.flags.contains(CtFlags::COMMIT) {
        return Err(value.error("commit beside force"));
    }
    Ok(Action::Nicira(NiciraAction::Ct(Box::new(ct))))
}

fn nat(value: Piece<'_>) -> Result<Nat, SyntaxError> {
    let mut nat = Nat { flags: NatFlags::NONE, range: NatRange::None };
    for argument in Pairs(value) {
        let argument = argument?;
        match argument.name() {
            "src" | "dst" => {
                let flag = if argument.name() == "src" { NatFlags::SRC } else { NatFlags::DST };
                nat.flags = nat.flags | flag;
                if !argument.value.is_empty() {
                    nat.range = nat_range(argument.value)?;
                }
            }
            "persistent" => nat.flags = nat.flags | NatFlags::PERSISTENT,
            "hash" => nat.flags = nat.flags | NatFlags::PROTO_HASH,
            "random" => nat.flags = nat.flags | NatFlags::PROTO_RANDOM,
            _ => return Err(unknown_argument(argument, "nat", &["src", "dst", "persistent", "hash", "random"])),
        }
    }
    let both = |one, other| nat.flags.contains(one) && nat.flags.contains(other);
    if both(NatFlags::SRC, NatFlags::DST) {
        return Err(value.error("src or dst, not both"));
    }
    if both(NatFlags::PROTO_HASH, NatFlags::PROTO_RANDOM) {
        return Err(value.error("hash or random, not both"));
    }
    let direction = NatFlags::SRC | NatFlags::DST;
    if nat.flags.0 & direction.0 == 0 && nat.flags != NatFlags::NONE {
        return Err(value.error("src or dst"));
    }
    if nat.range == NatRange::None {
        // The other flags are about the range.
        nat.flags = NatFlags(nat.flags.0 & direction.0);
    }
    Ok(nat)
}

/// `ADDRESS[-ADDRESS][:PORT[-PORT]]`, where a range of one is one; an IPv6 address stands in brackets before ports.
fn nat_range(text: Piece<'_>) -> Result<NatRange, SyntaxError> {
    let bracket = text.text.starts_with('[');
    let ipv6 = bracket || text.text.matches(':').count() > 1;
    let (addresses, ports) = if ipv6 {
        match text.text.rfind("]:") {
            Some(at) => (text.until(at + 1), Some(text.from(at + 2))),
            None => (text, None),
        }
    } else {
        text.split_once(":").map_or((text, None), |(addresses, ports)| (addresses, Some(ports)))
    };
    let ports = ports.map(nat_ports).transpose()?;
    let (first, last) = addresses.split_once("-").map_or((addresses, None), |(first, last)| (first, Some(last)));
    let order = |wrong: bool| if wrong { Err(addresses.error("the lower address first")) } else { Ok(()) };
    if ipv6 {
        let read = |piece: Piece<'_>| {
            let address = piece.text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(piece.text);
            address.parse::<Ipv6Addr>().map_err(|_| piece.error("an IPv6 address"))
        };
        let (min, max) = (read(first)?, last.map(read).transpose()?);
        order(max.is_some_and(|max| max < min))?;
        return Ok(NatRange::Ipv6 { min, max: max.filter(|max| *max != min), ports });
    }
    let read = |piece: Piece<'_>| piece.text.parse::<Ipv4Addr>().map_err(|_| piece.error("an IPv4 address"));
    let (min, max) = (read(first)?, last.map(read).transpose()?);
    order(max.is_some_and(|max| max < min))?;
    Ok(NatRange::Ipv4 { min, max: max.filter(|max| *max != min), ports })
}

fn nat_ports(text: Piece<'_>) -> Result<NatPorts, SyntaxError> {
    let (first, last) = text.split_once("-").map_or((text, None), |(first, last)| (first, Some(last)));
    let (min, max) = (first.u16()?, last.map(Piece::u16).transpose()?);
    if max.is_some_and(|max| max < min) {
        return Err(text.error("the lower port first"));
    }
    Ok(NatPorts { min, max: max.filter(|max| *max != min) })
}

/// `encap(nsh(md_type=1))`, `encap(ethernet)`.
fn encap(pair: Pair<'_>) -> Result<Encap, SyntaxError> {
    let mut arguments = Pairs(pair.value);
    let Some(header) = arguments.next().transpose()? else { return Err(pair.value.error("a header")) };
    let packet_type = match header.key.u32() {
        Ok(number) => number,
        Err(_) => one_of(header.key, &ENCAPSULATIONS)?,
    };
    let mut properties = Vec::new();
    for argument in Pairs(header.value) {
        let argument = argument?;
        let parts: Vec<Piece<'_>> = argument.value.words().collect();
        properties.push(match (argument.name(), parts.as_slice()) {
            ("md_type", [number]) => {
                EncapProperty { class: NSH_CLASS, property_type: NSH_MD_TYPE, body: Bytes::from(vec![number.u8()?]) }
            }
            ("tlv", [class, number, octets]) => {
                let value = all_octets(*octets)?;
                let Ok(length) = u8::try_from(value.len()) else { return Err(octets.error("at most 255 octets")) };
                let mut body = class.u16()?.to_be_bytes().to_vec();
                body.extend([number.u8()?, length]);
                body.extend(value);
                // Open vSwitch counts the padding of a TLV, with the property's header of 4 octets.
                while body.len() % 8 != 4 {
                    body.push(0);
                }
                EncapProperty { class: NSH_CLASS, property_type: NSH_TLV, body: Bytes::from(body) }
            }
            ("property", [class, number, octets]) => EncapProperty {
                class: class.u16()?,
                property_type: number.u8()?,
                body: Bytes::from(all_octets(*octets)?),
            },
            _ => return Err(unknown_argument(argument, "encap", &["md_type", "tlv"])),
        });
    }
    match arguments.next().transpose()? {
        Some(more) => Err(more.key.error("one header")),
        None => Ok(Encap { header_size: 0, packet_type, properties }),
    }
}

/// `0x` and pairs of digits, leading zeros counted.
fn all_octets(text: Piece<'_>) -> Result<Vec<u8>, SyntaxError> {
    match text.text.starts_with("0x") {
        true => text.from(2).hex_octets(),
        false => Err(text.error("octets in hex with 0x before them")),
    }
}

/// `decap()`, `decap(packet_type(ns=0,type=0))`.
fn decap(value: Piece<'_>) -> Result<u32, SyntaxError> {
    let Some(argument) = Pairs(value).next().transpose()? else { return Ok(USE_NEXT_PROTOCOL) };
    if argument.name() != "packet_type" {
        return Err(unknown_argument(argument, "decap", &["packet_type"]));
    }
    let (mut space, mut number) = (None, None);
    for part in Pairs(argument.value) {
        let part = part?;
        match part.name() {
            "ns" => space = Some(part.some_value()?.u16()?),
            "type" => number = Some(part.some_value()?.u16()?),
            _ => return Err(unknown_argument(part, "packet_type", &["ns", "type"])),
        }
    }
    match (space, number) {
        (Some(space), Some(number)) => Ok(u32::from(space) << 16 | u32::from(number)),
        _ => Err(argument.value.error("ns=NAMESPACE,type=TYPE")),
    }
}
