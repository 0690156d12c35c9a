//! Ports: their description, status and modification (OpenFlow 1.3.5 §7.2.1, §7.3.4.3, §7.4.3).

use std::fmt;

use bytes::{BufMut, BytesMut};
use net::{DecodeError, MacAddr, PortNo};

use crate::number::numbers;
use crate::wire::{self, Reader};

numbers! {
    /// What the administrator said about a port (OpenFlow 1.3.5 §7.2.1, `ofp_port_config`).
    bits PortConfig(u32) {
        PORT_DOWN = 1, "OFPPC_PORT_DOWN";
        NO_RECV = 1 << 2, "OFPPC_NO_RECV";
        NO_FWD = 1 << 5, "OFPPC_NO_FWD";
        NO_PACKET_IN = 1 << 6, "OFPPC_NO_PACKET_IN";
    }
}

numbers! {
    /// What the hardware says about a port (OpenFlow 1.3.5 §7.2.1, `ofp_port_state`).
    bits PortLinkState(u32) {
        LINK_DOWN = 1, "OFPPS_LINK_DOWN";
        BLOCKED = 1 << 1, "OFPPS_BLOCKED";
        LIVE = 1 << 2, "OFPPS_LIVE";
    }
}

numbers! {
    /// Speeds, media and negotiation of a port (OpenFlow 1.3.5 §7.2.1, `ofp_port_features`).
    bits PortFeatures(u32) {
        RATE_10MB_HD = 1, "OFPPF_10MB_HD";
        RATE_10MB_FD = 1 << 1, "OFPPF_10MB_FD";
        RATE_100MB_HD = 1 << 2, "OFPPF_100MB_HD";
        RATE_100MB_FD = 1 << 3, "OFPPF_100MB_FD";
        RATE_1GB_HD = 1 << 4, "OFPPF_1GB_HD";
        RATE_1GB_FD = 1 << 5, "OFPPF_1GB_FD";
        RATE_10GB_FD = 1 << 6, "OFPPF_10GB_FD";
        RATE_40GB_FD = 1 << 7, "OFPPF_40GB_FD";
        RATE_100GB_FD = 1 << 8, "OFPPF_100GB_FD";
        RATE_1TB_FD = 1 << 9, "OFPPF_1TB_FD";
        OTHER = 1 << 10, "OFPPF_OTHER";
        COPPER = 1 << 11, "OFPPF_COPPER";
        FIBER = 1 << 12, "OFPPF_FIBER";
        AUTONEG = 1 << 13, "OFPPF_AUTONEG";
        PAUSE = 1 << 14, "OFPPF_PAUSE";
        PAUSE_ASYM = 1 << 15, "OFPPF_PAUSE_ASYM";
    }
}

numbers! {
    /// What happened to a port (OpenFlow 1.3.5 §7.4.3, `ofp_port_reason`).
    values PortReason(u8) {
        ADD = 0, "OFPPR_ADD";
        DELETE = 1, "OFPPR_DELETE";
        MODIFY = 2, "OFPPR_MODIFY";
    }
}

/// The 16 octets of a port's name, NUL-padded, as they stand on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortName(pub [u8; 16]);

impl From<&str> for PortName {
    /// At most 15 octets of `name` are kept, because the array ends with a NUL.
    fn from(name: &str) -> PortName {
        let mut octets = [0; 16];
        for (to, from) in octets.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        PortName(octets)
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(|octet| *octet == 0).next().unwrap_or_default();
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A port (OpenFlow 1.3.5 §7.2.1, `ofp_port`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Port {
    /// The number.
    pub port_no: PortNo,
    /// Its MAC address.
    pub hw_addr: MacAddr,
    /// Its name.
    pub name: PortName,
    /// What the administrator said.
    pub config: PortConfig,
    /// What the hardware says.
    pub state: PortLinkState,
    /// Current features.
    pub curr: PortFeatures,
    /// Features that the port advertises.
    pub advertised: PortFeatures,
    /// Features that the port supports.
    pub supported: PortFeatures,
    /// Features that the other end advertises.
    pub peer: PortFeatures,
    /// Current bit rate in kbit/s.
    pub curr_speed: u32,
    /// Highest bit rate in kbit/s.
    pub max_speed: u32,
}

impl Port {
    /// A port that is up, with a name and an address, and nothing said about its features.
    pub fn new(port_no: PortNo, hw_addr: MacAddr, name: &str) -> Port {
        Port {
            port_no,
            hw_addr,
            name: PortName::from(name),
            config: PortConfig::NONE,
            state: PortLinkState::LIVE,
            curr: PortFeatures::NONE,
            advertised: PortFeatures::NONE,
            supported: PortFeatures::NONE,
            peer: PortFeatures::NONE,
            curr_speed: 0,
            max_speed: 0,
        }
    }

    /// The name as text; octets that are not UTF-8 are replaced.
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// Neither switched off by the administrator nor without a link.
    pub const fn is_up(&self) -> bool {
        !self.config.contains(PortConfig::PORT_DOWN) && !self.state.contains(PortLinkState::LINK_DOWN)
    }
}

/// A port appeared, changed or went (OpenFlow 1.3.5 §7.4.3, `ofp_port_status`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortStatus {
    /// What happened.
    pub reason: PortReason,
    /// The port as it is now.
    #[cfg_attr(feature = "serde", serde(rename = "desc"))]
    pub port: Port,
}

/// Change a port (OpenFlow 1.3.5 §7.3.4.3, `ofp_port_mod`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortMod {
    /// Which port.
    pub port_no: PortNo,
    /// Its MAC address, which has to be the right one.
    pub hw_addr: MacAddr,
    /// The new configuration.
    pub config: PortConfig,
    /// Which bits of it to change.
    pub mask: PortConfig,
    /// Features to advertise; none set changes nothing.
    pub advertise: PortFeatures,
}

#[cfg(feature = "serde")]
impl serde::Serialize for PortName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Port {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Port, DecodeError> {
        let port_no = PortNo(reader.u32("port.port_no")?);
        reader.skip(4, "port.pad")?;
        let hw_addr = reader.mac("port.hw_addr")?;
        reader.skip(2, "port.pad2")?;
        Ok(Port {
            port_no,
            hw_addr,
            name: PortName(reader.array("port.name")?),
            config: PortConfig(reader.u32("port.config")?),
            state: PortLinkState(reader.u32("port.state")?),
            curr: PortFeatures(reader.u32("port.curr")?),
            advertised: PortFeatures(reader.u32("port.advertised")?),
            supported: PortFeatures(reader.u32("port.supported")?),
            peer: PortFeatures(reader.u32("port.peer")?),
            curr_speed: reader.u32("port.curr_speed")?,
            max_speed: reader.u32("port.max_speed")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port_no.0);
        wire::put_zeros(out, 4);
        out.put_slice(&self.hw_addr.0);
        wire::put_zeros(out, 2);
        out.put_slice(&self.name.0);
        out.put_u32(self.config.0);
        out.put_u32(self.state.0);
        out.put_u32(self.curr.0);
        out.put_u32(self.advertised.0);
        out.put_u32(self.supported.0);
        out.put_u32(self.peer.0);
        out.put_u32(self.curr_speed);
        out.put_u32(self.max_speed);
    }
}

impl PortStatus {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<PortStatus, DecodeError> {
        let reason = PortReason(reader.u8("port_status.reason")?);
        reader.skip(7, "port_status.pad")?;
        let port = Port::parse(&mut reader)?;
        reader.finish("port_status")?;
        Ok(PortStatus { reason, port })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.reason.0);
        wire::put_zeros(out, 7);
        self.port.encode(out);
    }
}

impl PortMod {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<PortMod, DecodeError> {
        let port_no = PortNo(reader.u32("port_mod.port_no")?);
        reader.skip(4, "port_mod.pad")?;
        let hw_addr = reader.mac("port_mod.hw_addr")?;
        reader.skip(2, "port_mod.pad2")?;
        let config = PortConfig(reader.u32("port_mod.config")?);
        let mask = PortConfig(reader.u32("port_mod.mask")?);
        let advertise = PortFeatures(reader.u32("port_mod.advertise")?);
        reader.skip(4, "port_mod.pad3")?;
        reader.finish("port_mod")?;
        Ok(PortMod { port_no, hw_addr, config, mask, advertise })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port_no.0);
        wire::put_zeros(out, 4);
        out.put_slice(&self.hw_addr.0);
        wire::put_zeros(out, 2);
        out.put_u32(self.config.0);
        out.put_u32(self.mask.0);
        out.put_u32(self.advertise.0);
        wire::put_zeros(out, 4);
    }
}
