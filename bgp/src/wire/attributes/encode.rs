//! Writing path attributes, in ascending order of type (RFC 4271 §5), toward four-octet and two-octet peers.

use bytes::{BufMut, BytesMut};

use super::super::community::without_duplicates;
use super::super::header::put_u16_at;
use super::super::{AsPath, Asn, EncodeContext, RouterId};
use super::{Aggregator, AttributeFlags, AttributeType, PathAttributes, RawAttribute};

/// Writes one attribute: the value first, then the shortest header that can say its length.
pub(in crate::wire) fn put_attribute(
    out: &mut BytesMut,
    flags: AttributeFlags,
    kind: AttributeType,
    length: usize,
    value: impl FnOnce(&mut BytesMut),
) {
    let extended = length > 255 || flags.is_extended_length();
    let extended_flag = if extended { AttributeFlags::EXTENDED_LENGTH } else { 0 };
    out.put_u8(flags.0 | extended_flag);
    out.put_u8(kind.0);
    if extended {
        let at = out.len();
        out.put_u16(0);
        put_u16_at(out, at, length);
    } else {
        out.put_u8(length as u8);
    }
    value(out);
}

impl RawAttribute {
    pub(in crate::wire) fn encode(&self, out: &mut BytesMut) {
        put_attribute(out, self.flags, self.kind, self.value.len(), |out| out.put_slice(&self.value));
    }
}

impl PathAttributes {
    /// All attributes. Toward a two-octet peer AS_TRANS stands for what does not fit, and AS4_PATH and AS4_AGGREGATOR
    /// say what it was (RFC 6793 §4.2.2).
    pub(in crate::wire) fn encode(&self, context: &EncodeContext, out: &mut BytesMut) {
        let mut unknown = self.unknown.iter().peekable();
        let mut writer = Writer { out, context, attributes: self };
        for kind in KNOWN {
            while let Some(raw) = unknown.next_if(|raw| raw.kind < kind) {
                raw.encode(writer.out);
            }
            writer.put(kind);
        }
        unknown.for_each(|raw| raw.encode(writer.out));
    }
}

impl AttributeType {
    /// Its value has a field in [`PathAttributes`].
    pub(crate) fn has_field(self) -> bool {
        KNOWN.contains(&self)
    }
}

/// The types with a field of their own, ascending.
const KNOWN: [AttributeType; 15] = [
    AttributeType::ORIGIN,
    AttributeType::AS_PATH,
    AttributeType::NEXT_HOP,
    AttributeType::MULTI_EXIT_DISC,
    AttributeType::LOCAL_PREF,
    AttributeType::ATOMIC_AGGREGATE,
    AttributeType::AGGREGATOR,
    AttributeType::COMMUNITIES,
    AttributeType::ORIGINATOR_ID,
    AttributeType::CLUSTER_LIST,
    AttributeType::EXTENDED_COMMUNITIES,
    AttributeType::AS4_PATH,
    AttributeType::AS4_AGGREGATOR,
    AttributeType::LARGE_COMMUNITY,
    AttributeType::ONLY_TO_CUSTOMER,
];

struct Writer<'a> {
    out: &'a mut BytesMut,
    context: &'a EncodeContext,
    attributes: &'a PathAttributes,
}

impl Writer<'_> {
    fn put(&mut self, kind: AttributeType) {
        const WELL_KNOWN: AttributeFlags = AttributeFlags::WELL_KNOWN;
        const OPTIONAL: AttributeFlags = AttributeFlags::OPTIONAL;
        let attributes = self.attributes;
        let partial = if attributes.partial.contains(kind) { AttributeFlags::PARTIAL } else { 0 };
        let transitive = AttributeFlags(AttributeFlags::OPTIONAL_TRANSITIVE.0 | partial);
        match kind {
            AttributeType::ORIGIN => {
                put_attribute(self.out, WELL_KNOWN, kind, 1, |out| out.put_u8(attributes.origin as u8));
            }
            AttributeType::AS_PATH => self.put_as_path(),
            AttributeType::NEXT_HOP => {
                if let Some(next_hop) = attributes.next_hop {
                    put_attribute(self.out, WELL_KNOWN, kind, 4, |out| out.put_u32(next_hop.to_bits()));
                }
            }
            AttributeType::MULTI_EXIT_DISC => self.put_u32(OPTIONAL, kind, attributes.med),
            AttributeType::LOCAL_PREF => self.put_u32(WELL_KNOWN, kind, attributes.local_pref),
            AttributeType::ATOMIC_AGGREGATE if attributes.atomic_aggregate => {
                put_attribute(self.out, WELL_KNOWN, kind, 0, |_| ());
            }
            AttributeType::AGGREGATOR => {
                if let Some(Aggregator { asn, router_id }) = attributes.aggregator {
                    let four_octet_as = self.context.four_octet_as;
                    let length = if four_octet_as { 8 } else { 6 };
                    put_attribute(self.out, transitive, kind, length, |out| {
                        if four_octet_as {
                            out.put_u32(asn.0)
                        } else {
                            out.put_u16(asn.to_two_octets())
                        }
                        out.put_u32(router_id.to_u32());
                    });
                }
            }
            AttributeType::COMMUNITIES => {
                self.put_list(transitive, kind, &attributes.communities, 4, |out, item| out.put_u32(item.0));
            }
            AttributeType::ORIGINATOR_ID => {
                self.put_u32(OPTIONAL, kind, attributes.originator_id.map(RouterId::to_u32));
            }
            AttributeType::CLUSTER_LIST => {
                self.put_list(OPTIONAL, kind, &attributes.cluster_list, 4, |out, item| out.put_u32(item.to_u32()));
            }
            AttributeType::EXTENDED_COMMUNITIES => {
                self.put_list(transitive, kind, &attributes.extended_communities, 8, |out, item| {
                    out.put_slice(&item.0)
                });
            }
            AttributeType::AS4_PATH => self.put_as4_path(),
            AttributeType::AS4_AGGREGATOR => {
                let aggregator = attributes.aggregator.filter(|aggregator| !aggregator.asn.is_two_octet());
                if let Some(Aggregator { asn, router_id }) = aggregator.filter(|_| !self.context.four_octet_as) {
                    put_attribute(self.out, AttributeFlags::OPTIONAL_TRANSITIVE, kind, 8, |out| {
                        out.put_u32(asn.0);
                        out.put_u32(router_id.to_u32());
                    });
                }
            }
            AttributeType::LARGE_COMMUNITY => {
                // RFC 8092 §3: never a duplicate.
                let communities = without_duplicates(attributes.large_communities.iter().copied());
                self.put_list(transitive, kind, &communities, 12, |out, item| {
                    out.put_u32(item.global);
                    out.put_u32(item.local1);
                    out.put_u32(item.local2);
                });
            }
            AttributeType::ONLY_TO_CUSTOMER => {
                self.put_u32(transitive, kind, attributes.only_to_customer.map(|asn: Asn| asn.0));
            }
            _ => {}
        }
    }

    fn put_u32(&mut self, flags: AttributeFlags, kind: AttributeType, value: Option<u32>) {
        if let Some(value) = value {
            put_attribute(self.out, flags, kind, 4, |out| out.put_u32(value));
        }
    }

    fn put_list<T>(
        &mut self,
        flags: AttributeFlags,
        kind: AttributeType,
        items: &[T],
        size: usize,
        put: impl Fn(&mut BytesMut, &T),
    ) {
        if !items.is_empty() {
            put_attribute(self.out, flags, kind, items.len() * size, |out| {
                items.iter().for_each(|item| put(out, item))
            });
        }
    }

    fn put_as_path(&mut self) {
        let path = &self.attributes.as_path;
        let kind = AttributeType::AS_PATH;
        if self.context.four_octet_as {
            let octets = path.as_octets();
            put_attribute(self.out, AttributeFlags::WELL_KNOWN, kind, octets.len(), |out| out.put_slice(octets));
            return;
        }
        let length = path.segments().map(|segment| 2 + 2 * segment.asn_count()).sum();
        put_attribute(self.out, AttributeFlags::WELL_KNOWN, kind, length, |out| {
            for segment in path.segments() {
                out.put_slice(&[segment.kind as u8, segment.asn_count() as u8]);
                segment.asns().for_each(|asn| out.put_u16(asn.to_two_octets()));
            }
        });
    }

    /// Only where something was lost; confederation segments never (RFC 6793 §4.2.2).
    fn put_as4_path(&mut self) {
        let path = &self.attributes.as_path;
        if self.context.four_octet_as || path.asns().all(Asn::is_two_octet) {
            return;
        }
        let path: AsPath = path.without_confederation();
        if !path.is_empty() {
            let octets = path.as_octets();
            let flags = AttributeFlags::OPTIONAL_TRANSITIVE;
            put_attribute(self.out, flags, AttributeType::AS4_PATH, octets.len(), |out| out.put_slice(octets));
        }
    }
}
