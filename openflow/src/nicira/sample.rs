//! `sample(…)`: copies of some packets to IPFIX collectors (`NXAST_SAMPLE`, `NXAST_SAMPLE2`, `NXAST_SAMPLE3`).

use net::PortNo;

use crate::nicira::NiciraSubtype;
use crate::number::numbers;

numbers! {
    /// Which way a sampled packet goes (`enum nx_action_sample_direction`).
    values SampleDirection(u8) {
        DEFAULT = 0, "NX_ACTION_SAMPLE_DEFAULT";
        INGRESS = 1, "NX_ACTION_SAMPLE_INGRESS";
        EGRESS = 2, "NX_ACTION_SAMPLE_EGRESS";
    }
}

/// `sample(…)`: reports some of the packets to IPFIX collectors (`NXAST_SAMPLE`, `NXAST_SAMPLE2`, `NXAST_SAMPLE3`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sample {
    /// Of 65,535 packets, how many.
    pub probability: u16,
    /// The set of collectors, as the switch's configuration numbers it.
    pub collector_set_id: u32,
    /// The observation domain that the report names.
    pub obs_domain_id: u32,
    /// The observation point that the report names.
    pub obs_point_id: u32,
    /// What `NXAST_SAMPLE2` and `NXAST_SAMPLE3` have besides. `None` makes it an `NXAST_SAMPLE`.
    pub sampling: Option<SamplingPort>,
}

/// What `NXAST_SAMPLE2` and `NXAST_SAMPLE3` have besides `NXAST_SAMPLE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SamplingPort {
    /// The port that the report is about; [`PortNo::ANY`] for none. It has 16 bits on the wire.
    pub port: PortNo,
    /// Which way the packet goes. `None` makes it an `NXAST_SAMPLE2`, which can't say.
    pub direction: Option<SampleDirection>,
}

impl Sample {
    pub(super) fn subtype(&self) -> NiciraSubtype {
        match self.sampling {
            None => NiciraSubtype::SAMPLE,
            Some(SamplingPort { direction: None, .. }) => NiciraSubtype::SAMPLE2,
            Some(SamplingPort { direction: Some(_), .. }) => NiciraSubtype::SAMPLE3,
        }
    }
}
