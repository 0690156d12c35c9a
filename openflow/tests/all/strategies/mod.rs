//! Arbitrary messages for property tests. What comes out is what a decoder can yield: bodies of unknown elements have lengths that
//! stand on the wire without padding.

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortNo};
use openflow::*;
use proptest::collection::vec;
use proptest::prelude::*;

pub mod fields;
mod nicira;

pub use nicira::nicira_action;

/// Octets whose number is a multiple of 8 after adding `header`.
fn body(header: usize) -> impl Strategy<Value = Bytes> {
    (1usize..4).prop_flat_map(move |words| vec(any::<u8>(), words * 8 - header)).prop_map(Bytes::from)
}

fn octets(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

fn port() -> impl Strategy<Value = PortNo> {
    prop_oneof![(1u32..64).prop_map(PortNo), any::<u32>().prop_map(PortNo)]
}

/// Also texts that fill their array: octets at random nearly always hold a NUL.
fn text(most: usize) -> impl Strategy<Value = FixedText> {
    let octets = prop_oneof![vec(any::<u8>(), 0..=most), vec(1..=u8::MAX, most)];
    octets.prop_map(|octets| FixedText::from_octets(Bytes::from(octets)))
}

/// A field of the table, with or without a mask, or one of another class.
pub fn field() -> impl Strategy<Value = OxmFieldOwned> {
    let known = (0..OxmKind::ALL.len(), any::<[u8; 16]>(), any::<Option<[u8; 16]>>()).prop_map(|(row, value, mask)| {
        let kind = OxmKind::ALL[row];
        let length = kind.value_len().unwrap();
        OxmFieldOwned::new(kind, &value[..length], mask.as_ref().map(|mask| &mask[..length])).unwrap()
    });
    let class = prop_oneof![Just(0u16), Just(1), Just(oxm::CLASS_EXPERIMENTER), any::<u16>()];
    let other = (class, 0u8..0x80, any::<u32>(), vec(any::<(u8, u8)>(), 0..40), any::<bool>()).prop_filter_map(
        "fields of the table have their own lengths",
        |(class, field, experimenter, octets, masked)| {
            let experimenter = if class == oxm::CLASS_EXPERIMENTER { experimenter } else { 0 };
            let (value, mask): (Vec<u8>, Vec<u8>) = octets.into_iter().unzip();
            OxmFieldOwned::new(OxmKind { class, field, experimenter }, &value, masked.then_some(&*mask))
        },
    );
    prop_oneof![4 => known, 1 => other]
}

pub fn match_() -> impl Strategy<Value = Match> {
    vec(field(), 0..8).prop_map(|fields| fields.into_iter().collect())
}

/// An experimenter's action that is no type of ours: another experimenter's, or a subtype that nobody has.
fn unread_experimenter() -> impl Strategy<Value = Action> {
    let other = (any::<u32>(), body(8))
        .prop_filter("is no experimenter of ours", |(experimenter, _)| ![0x2320, 0x4f4e_4600].contains(experimenter));
    let subtype = (prop_oneof![Just(0x2320u32), Just(0x4f4e_4600)], body(0))
        .prop_map(|(experimenter, body)| (experimenter, [&[0xee], &body[1..]].concat().into()));
    prop_oneof![other, subtype].prop_map(|(experimenter, body)| Action::Experimenter { experimenter, body })
}

pub fn action() -> impl Strategy<Value = Action> {
    let own = nicira_action().prop_map(Action::Nicira);
    let copy = nicira::two_subfields().prop_map(|(source, destination)| Action::CopyField { source, destination });
    prop_oneof![10 => standard_action(), 10 => own, 1 => copy]
}

fn standard_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (port(), any::<u16>()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        Just(Action::CopyTtlOut),
        Just(Action::CopyTtlIn),
        any::<u8>().prop_map(Action::SetMplsTtl),
        Just(Action::DecMplsTtl),
        any::<u16>().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        any::<u16>().prop_map(Action::PushMpls),
        any::<u16>().prop_map(Action::PopMpls),
        any::<u32>().prop_map(Action::SetQueue),
        any::<u32>().prop_map(|id| Action::Group(GroupId(id))),
        any::<u8>().prop_map(Action::SetNwTtl),
        Just(Action::DecNwTtl),
        field().prop_map(Action::SetField),
        any::<u16>().prop_map(Action::PushPbb),
        Just(Action::PopPbb),
        unread_experimenter(),
        (1u16..11, body(4)).prop_map(|(number, body)| Action::Unknown { action_type: ActionType(number), body }),
    ]
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 0..5)
}

pub fn instruction() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        any::<u8>().prop_map(|table| Instruction::GotoTable(TableId(table))),
        any::<(u64, u64)>().prop_map(|(metadata, mask)| Instruction::WriteMetadata { metadata, mask }),
        actions().prop_map(Instruction::WriteActions),
        actions().prop_map(Instruction::ApplyActions),
        Just(Instruction::ClearActions),
        any::<u32>().prop_map(|meter| Instruction::Meter(MeterId(meter))),
        (any::<u32>(), body(8)).prop_map(|(experimenter, body)| Instruction::Experimenter { experimenter, body }),
        (7u16..0xffff, body(4))
            .prop_map(|(number, body)| { Instruction::Unknown { instruction_type: InstructionType(number), body } }),
    ]
}

fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    vec(instruction(), 0..4)
}

fn bucket() -> impl Strategy<Value = Bucket> {
    (any::<u16>(), port(), any::<u32>(), actions()).prop_map(|(weight, watch_port, watch_group, actions)| Bucket {
        weight,
        watch_port,
        watch_group: GroupId(watch_group),
        actions,
    })
}

fn band() -> impl Strategy<Value = MeterBand> {
    (any::<u32>(), any::<u32>(), any::<u32>(), 0u8..4, octets(20), 3u16..0xffff).prop_map(
        |(rate, burst_size, number, which, body, band_type)| match which {
            0 => MeterBand::Drop { rate, burst_size },
            1 => MeterBand::DscpRemark { rate, burst_size, prec_level: number as u8 },
            2 => MeterBand::Experimenter { rate, burst_size, experimenter: number, body },
            _ => MeterBand::Unknown { rate, burst_size, band_type: MeterBandType(band_type), body },
        },
    )
}

fn port_desc() -> impl Strategy<Value = Port> {
    (port(), mac(), any::<[u8; 16]>(), any::<[u32; 8]>()).prop_map(|(port_no, hw_addr, name, numbers)| Port {
        port_no,
        hw_addr,
        name: PortName(name),
        config: PortConfig(numbers[0]),
        state: PortLinkState(numbers[1]),
        curr: PortFeatures(numbers[2]),
        advertised: PortFeatures(numbers[3]),
        supported: PortFeatures(numbers[4]),
        peer: PortFeatures(numbers[5]),
        curr_speed: numbers[6],
        max_speed: numbers[7],
    })
}

pub fn flow_mod() -> impl Strategy<Value = FlowMod> {
    let head = (any::<[u64; 2]>(), any::<[u8; 2]>(), any::<[u16; 4]>(), any::<[u32; 3]>());
    (head, match_(), instructions()).prop_map(|((cookies, small, shorts, words), match_, instructions)| FlowMod {
        cookie: cookies[0],
        cookie_mask: cookies[1],
        table_id: TableId(small[0]),
        command: FlowModCommand(small[1]),
        idle_timeout: shorts[0],
        hard_timeout: shorts[1],
        priority: shorts[2],
        buffer_id: BufferId(words[0]),
        out_port: PortNo(words[1]),
        out_group: GroupId(words[2]),
        flags: FlowModFlags(shorts[3]),
        match_,
        instructions,
    })
}

fn flow_stats() -> impl Strategy<Value = FlowStats> {
    (flow_mod(), any::<[u32; 2]>(), any::<[u64; 2]>()).prop_map(|(flow, duration, counts)| FlowStats {
        table_id: flow.table_id,
        duration_sec: duration[0],
        duration_nsec: duration[1],
        priority: flow.priority,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: counts[0],
        byte_count: counts[1],
        match_: flow.match_,
        instructions: flow.instructions,
    })
}

fn flow_request() -> impl Strategy<Value = FlowStatsRequest> {
    (any::<u8>(), port(), any::<u32>(), any::<[u64; 2]>(), match_()).prop_map(
        |(table_id, out_port, out_group, cookies, match_)| FlowStatsRequest {
            table_id: TableId(table_id),
            out_port,
            out_group: GroupId(out_group),
            cookie: cookies[0],
            cookie_mask: cookies[1],
            match_,
        },
    )
}

fn feature_ids() -> impl Strategy<Value = Vec<FeatureId>> {
    vec((any::<u16>(), octets(9)).prop_map(|(id, body)| FeatureId { id, body }), 0..6)
}

fn oxm_ids() -> impl Strategy<Value = Vec<OxmId>> {
    let id = (field(), any::<bool>(), any::<u8>());
    vec(id.prop_map(|(field, has_mask, length)| OxmId { kind: field.kind(), has_mask, length }), 0..8)
}

fn property() -> impl Strategy<Value = TableFeatureProperty> {
    let miss = any::<bool>;
    prop_oneof![
        (miss(), feature_ids()).prop_map(|(miss, ids)| TableFeatureProperty::Instructions { miss, ids }),
        (miss(), vec(any::<u8>().prop_map(TableId), 0..20))
            .prop_map(|(miss, table_ids)| TableFeatureProperty::NextTables { miss, table_ids }),
        (miss(), feature_ids()).prop_map(|(miss, ids)| TableFeatureProperty::WriteActions { miss, ids }),
        (miss(), feature_ids()).prop_map(|(miss, ids)| TableFeatureProperty::ApplyActions { miss, ids }),
        oxm_ids().prop_map(TableFeatureProperty::Match),
        oxm_ids().prop_map(TableFeatureProperty::Wildcards),
        (miss(), oxm_ids()).prop_map(|(miss, ids)| TableFeatureProperty::WriteSetField { miss, ids }),
        (miss(), oxm_ids()).prop_map(|(miss, ids)| TableFeatureProperty::ApplySetField { miss, ids }),
        (miss(), any::<[u32; 2]>(), octets(20)).prop_map(|(miss, [experimenter, exp_type], body)| {
            TableFeatureProperty::Experimenter { miss, experimenter, exp_type, body }
        }),
        (16u16..0xfffe, octets(20)).prop_map(|(number, body)| TableFeatureProperty::Unknown {
            property_type: TableFeaturePropertyType(number),
            body
        }),
    ]
}

fn tables() -> impl Strategy<Value = Vec<TableFeatures>> {
    let table = (any::<u8>(), text(32), any::<[u64; 2]>(), any::<[u32; 2]>(), vec(property(), 0..5));
    let table = table.prop_map(|(table_id, name, metadata, numbers, properties)| TableFeatures {
        table_id: TableId(table_id),
        name,
        metadata_match: metadata[0],
        metadata_write: metadata[1],
        config: numbers[0],
        max_entries: numbers[1],
        properties,
    });
    vec(table, 0..3)
}

fn experimenter() -> impl Strategy<Value = ExperimenterMultipart> {
    (any::<[u32; 2]>(), octets(40)).prop_map(|([experimenter, exp_type], body)| ExperimenterMultipart {
        experimenter,
        exp_type,
        body,
    })
}

fn multipart_request() -> impl Strategy<Value = MultipartRequest> {
    use MultipartRequestBody as Body;
    let body = prop_oneof![
        Just(Body::Desc),
        flow_request().prop_map(Body::Flow),
        flow_request().prop_map(Body::Aggregate),
        Just(Body::Table),
        port().prop_map(Body::PortStats),
        (port(), any::<u32>())
            .prop_map(|(port_no, queue)| Body::Queue(QueueStatsRequest { port_no, queue_id: QueueId(queue) })),
        any::<u32>().prop_map(|group| Body::Group(GroupId(group))),
        Just(Body::GroupDesc),
        Just(Body::GroupFeatures),
        any::<u32>().prop_map(|meter| Body::Meter(MeterId(meter))),
        any::<u32>().prop_map(|meter| Body::MeterConfig(MeterId(meter))),
        Just(Body::MeterFeatures),
        tables().prop_map(Body::TableFeatures),
        Just(Body::PortDesc),
        experimenter().prop_map(Body::Experimenter),
        (14u16..0xffff, octets(40))
            .prop_map(|(number, body)| Body::Unknown { multipart_type: MultipartType(number), body }),
    ];
    (any::<u16>(), body).prop_map(|(flags, body)| MultipartRequest { flags: MultipartRequestFlags(flags), body })
}

fn port_stats() -> impl Strategy<Value = PortStats> {
    (port(), any::<[u64; 12]>(), any::<[u32; 2]>()).prop_map(|(port_no, counts, duration)| PortStats {
        port_no,
        rx_packets: counts[0],
        tx_packets: counts[1],
        rx_bytes: counts[2],
        tx_bytes: counts[3],
        rx_dropped: counts[4],
        tx_dropped: counts[5],
        rx_errors: counts[6],
        tx_errors: counts[7],
        rx_frame_err: counts[8],
        rx_over_err: counts[9],
        rx_crc_err: counts[10],
        collisions: counts[11],
        duration_sec: duration[0],
        duration_nsec: duration[1],
    })
}

fn multipart_reply() -> impl Strategy<Value = MultipartReply> {
    use MultipartReplyBody as Body;
    let counts = any::<[u64; 3]>;
    let numbers = any::<[u32; 4]>;
    let desc = (text(256), text(256), text(256), text(32), text(256)).prop_map(|desc| {
        let (mfr_desc, hw_desc, sw_desc, serial_num, dp_desc) = desc;
        Body::Desc(SwitchDesc { mfr_desc, hw_desc, sw_desc, serial_num, dp_desc })
    });
    let table_stats = (any::<u8>(), numbers(), counts()).prop_map(|(table_id, numbers, counts)| TableStats {
        table_id: TableId(table_id),
        active_count: numbers[0],
        lookup_count: counts[0],
        matched_count: counts[1],
    });
    let queue_stats = (numbers(), counts()).prop_map(|(numbers, counts)| QueueStats {
        port_no: PortNo(numbers[0]),
        queue_id: QueueId(numbers[1]),
        tx_bytes: counts[0],
        tx_packets: counts[1],
        tx_errors: counts[2],
        duration_sec: numbers[2],
        duration_nsec: numbers[3],
    });
    let group_stats = (numbers(), counts(), vec(any::<(u64, u64)>(), 0..4)).prop_map(|(numbers, counts, buckets)| {
        let counter = |(packet_count, byte_count)| BucketCounter { packet_count, byte_count };
        GroupStats {
            group_id: GroupId(numbers[0]),
            ref_count: numbers[1],
            packet_count: counts[0],
            byte_count: counts[1],
            duration_sec: numbers[2],
            duration_nsec: numbers[3],
            bucket_stats: buckets.into_iter().map(counter).collect(),
        }
    });
    let group_desc = (any::<u8>(), any::<u32>(), vec(bucket(), 0..4)).prop_map(|(group_type, group_id, buckets)| {
        GroupDesc { group_type: GroupType(group_type), group_id: GroupId(group_id), buckets }
    });
    let meter_stats = (numbers(), counts(), vec(any::<(u64, u64)>(), 0..4)).prop_map(|(numbers, counts, bands)| {
        let stats = |(packet_band_count, byte_band_count)| MeterBandStats { packet_band_count, byte_band_count };
        MeterStats {
            meter_id: MeterId(numbers[0]),
            flow_count: numbers[1],
            packet_in_count: counts[0],
            byte_in_count: counts[1],
            duration_sec: numbers[2],
            duration_nsec: numbers[3],
            band_stats: bands.into_iter().map(stats).collect(),
        }
    });
    let meter_config = (any::<u16>(), any::<u32>(), vec(band(), 0..4)).prop_map(|(flags, meter_id, bands)| {
        MeterConfig { flags: MeterFlags(flags), meter_id: MeterId(meter_id), bands }
    });
    let body = prop_oneof![
        desc,
        vec(flow_stats(), 0..3).prop_map(Body::Flow),
        counts().prop_map(|counts| Body::Aggregate(AggregateStats {
            packet_count: counts[0],
            byte_count: counts[1],
            flow_count: counts[2] as u32
        })),
        vec(table_stats, 0..4).prop_map(Body::Table),
        vec(port_stats(), 0..4).prop_map(Body::PortStats),
        vec(queue_stats, 0..4).prop_map(Body::Queue),
        vec(group_stats, 0..4).prop_map(Body::Group),
        vec(group_desc, 0..4).prop_map(Body::GroupDesc),
        (any::<[u32; 2]>(), numbers(), numbers()).prop_map(|(head, max_groups, actions)| {
            Body::GroupFeatures(GroupFeatures {
                types: head[0],
                capabilities: GroupCapabilities(head[1]),
                max_groups,
                actions,
            })
        }),
        vec(meter_stats, 0..4).prop_map(Body::Meter),
        vec(meter_config, 0..4).prop_map(Body::MeterConfig),
        (numbers(), any::<[u8; 2]>()).prop_map(|(numbers, small)| Body::MeterFeatures(MeterFeatures {
            max_meter: numbers[0],
            band_types: numbers[1],
            capabilities: numbers[2],
            max_bands: small[0],
            max_color: small[1],
        })),
        tables().prop_map(Body::TableFeatures),
        vec(port_desc(), 0..4).prop_map(Body::PortDesc),
        experimenter().prop_map(Body::Experimenter),
        (14u16..0xffff, octets(40))
            .prop_map(|(number, body)| Body::Unknown { multipart_type: MultipartType(number), body }),
    ];
    (any::<bool>(), body).prop_map(|(more, body)| MultipartReply { more, body })
}

fn hello() -> impl Strategy<Value = Hello> {
    let element = prop_oneof![
        vec(any::<u32>(), 1..4).prop_map(HelloElement::VersionBitmap),
        (2u16.., octets(20))
            .prop_map(|(number, body)| HelloElement::Unknown { element_type: HelloElementType(number), body }),
    ];
    (any::<u8>(), vec(element, 0..4)).prop_map(|(version, elements)| Hello {
        version,
        elements,
        trailing: Bytes::new(),
    })
}

fn queues() -> impl Strategy<Value = Vec<PacketQueue>> {
    let property = prop_oneof![
        any::<u16>().prop_map(QueueProperty::MinRate),
        any::<u16>().prop_map(QueueProperty::MaxRate),
        (any::<u32>(), octets(20)).prop_map(|(experimenter, body)| QueueProperty::Experimenter { experimenter, body }),
        (3u16..0xffff, octets(20))
            .prop_map(|(number, body)| QueueProperty::Unknown { property_type: QueuePropertyType(number), body }),
    ];
    let queue = (any::<u32>(), port(), vec(property, 0..4)).prop_map(|(queue_id, port, properties)| PacketQueue {
        queue_id: QueueId(queue_id),
        port,
        properties,
    });
    vec(queue, 0..4)
}

fn async_config() -> impl Strategy<Value = AsyncConfig> {
    any::<[[u32; 2]; 3]>().prop_map(|[packet_in_mask, port_status_mask, flow_removed_mask]| AsyncConfig {
        packet_in_mask,
        port_status_mask,
        flow_removed_mask,
    })
}

fn switch_config() -> impl Strategy<Value = SwitchConfig> {
    any::<(u16, u16)>().prop_map(|(flags, miss_send_len)| SwitchConfig { flags: ConfigFlags(flags), miss_send_len })
}

pub fn packet_in() -> impl Strategy<Value = PacketIn> {
    (any::<(u32, u16, u8, u8, u64)>(), match_(), octets(200)).prop_map(|(head, match_, data)| PacketIn {
        buffer_id: BufferId(head.0),
        total_len: head.1,
        reason: PacketInReason(head.2),
        table_id: TableId(head.3),
        cookie: head.4,
        match_,
        data,
    })
}

/// Any message that this library decodes.
pub fn message() -> impl Strategy<Value = Message> {
    let role = any::<(u32, u64)>()
        .prop_map(|(role, generation_id)| RoleMessage { role: ControllerRole(role), generation_id })
        .boxed();
    let small = prop_oneof![
        hello().prop_map(Message::Hello),
        (any::<(u16, u16)>(), octets(80)).prop_map(|((error_type, code), data)| Message::Error(ErrorMessage {
            error_type: ErrorType(error_type),
            code,
            data
        })),
        octets(80).prop_map(Message::EchoRequest),
        octets(80).prop_map(Message::EchoReply),
        (any::<[u32; 2]>(), octets(80)).prop_map(|([experimenter, exp_type], body)| {
            Message::Experimenter(ExperimenterMessage { experimenter, exp_type, body })
        }),
        Just(Message::FeaturesRequest),
        (any::<u64>(), any::<[u32; 3]>(), any::<[u8; 2]>()).prop_map(|(datapath_id, words, small)| {
            Message::FeaturesReply(FeaturesReply {
                datapath_id: DatapathId(datapath_id),
                n_buffers: words[0],
                n_tables: small[0],
                auxiliary_id: small[1],
                capabilities: Capabilities(words[1]),
                reserved: words[2],
            })
        }),
        Just(Message::GetConfigRequest),
        switch_config().prop_map(Message::GetConfigReply),
        switch_config().prop_map(Message::SetConfig),
        Just(Message::BarrierRequest),
        Just(Message::BarrierReply),
        port().prop_map(|port| Message::QueueGetConfigRequest(QueueGetConfigRequest { port })),
        (port(), queues())
            .prop_map(|(port, queues)| Message::QueueGetConfigReply(QueueGetConfigReply { port, queues })),
        role.clone().prop_map(Message::RoleRequest),
        role.prop_map(Message::RoleReply),
        Just(Message::GetAsyncRequest),
        async_config().prop_map(Message::GetAsyncReply),
        async_config().prop_map(Message::SetAsync),
        (any::<(u8, u32)>())
            .prop_map(|(table_id, config)| Message::TableMod(TableMod { table_id: TableId(table_id), config })),
        (30u8.., octets(80)).prop_map(|(number, body)| Message::Unknown { message_type: MessageType(number), body }),
    ];
    let large = prop_oneof![
        packet_in().prop_map(Message::PacketIn),
        (flow_mod(), any::<(u32, u32, u64, u64)>()).prop_map(|(flow, counts)| Message::FlowRemoved(FlowRemoved {
            cookie: flow.cookie,
            priority: flow.priority,
            reason: FlowRemovedReason(flow.command.0),
            table_id: flow.table_id,
            duration_sec: counts.0,
            duration_nsec: counts.1,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            packet_count: counts.2,
            byte_count: counts.3,
            match_: flow.match_,
        })),
        (any::<u8>(), port_desc())
            .prop_map(|(reason, port)| Message::PortStatus(PortStatus { reason: PortReason(reason), port })),
        (any::<u32>(), port(), actions(), octets(200)).prop_map(|(buffer_id, in_port, actions, data)| {
            Message::PacketOut(PacketOut { buffer_id: BufferId(buffer_id), in_port, actions, data })
        }),
        flow_mod().prop_map(Message::FlowMod),
        (any::<(u16, u8, u32)>(), vec(bucket(), 0..4)).prop_map(|((command, group_type, group_id), buckets)| {
            Message::GroupMod(GroupMod {
                command: GroupModCommand(command),
                group_type: GroupType(group_type),
                group_id: GroupId(group_id),
                buckets,
            })
        }),
        (port(), mac(), any::<[u32; 3]>()).prop_map(|(port_no, hw_addr, numbers)| Message::PortMod(PortMod {
            port_no,
            hw_addr,
            config: PortConfig(numbers[0]),
            mask: PortConfig(numbers[1]),
            advertise: PortFeatures(numbers[2]),
        })),
        (any::<(u16, u16, u32)>(), vec(band(), 0..4)).prop_map(|((command, flags, meter_id), bands)| {
            Message::MeterMod(MeterMod {
                command: MeterModCommand(command),
                flags: MeterFlags(flags),
                meter_id: MeterId(meter_id),
                bands,
            })
        }),
        multipart_request().prop_map(Message::MultipartRequest),
        multipart_reply().prop_map(Message::MultipartReply),
    ];
    prop_oneof![small.boxed(), large.boxed()]
}
