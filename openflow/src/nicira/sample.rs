//! `sample(…)`: copies of some packets to IPFIX collectors (`NXAST_SAMPLE`, `NXAST_SAMPLE2`, `NXAST_SAMPLE3`).

use bytes::{BufMut, BytesMut};
use net::{DecodeError, PortNo};

use crate::nicira::NiciraSubtype;
use crate::nicira::port::{long_port, short_port};
use crate::number::numbers;
use crate::wire::{self, Reader};

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

    /// ```text
    /// probability:16 collector_set_id:32 obs_domain_id:32 obs_point_id:32
    /// sample2: sampling_port:16 pad:48      sample3: sampling_port:16 direction:8 zeros:40
    /// ```
    pub(super) fn parse(mut body: Reader<'_>, subtype: NiciraSubtype) -> Result<Sample, DecodeError> {
        let probability = body.u16("action.sample.probability")?;
        let collector_set_id = body.u32("action.sample.collector_set_id")?;
        let obs_domain_id = body.u32("action.sample.obs_domain_id")?;
        let obs_point_id = body.u32("action.sample.obs_point_id")?;
        let sampling = if subtype == NiciraSubtype::SAMPLE {
            None
        } else {
            let port = long_port(body.u16("action.sample.sampling_port")?);
            let direction = if subtype == NiciraSubtype::SAMPLE3 {
                let direction = SampleDirection(body.u8("action.sample.direction")?);
                body.zeros("action.sample.must_be_zero")?;
                Some(direction)
            } else {
                None
            };
            Some(SamplingPort { port, direction })
        };
        Ok(Sample { probability, collector_set_id, obs_domain_id, obs_point_id, sampling })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.probability);
        out.put_u32(self.collector_set_id);
        out.put_u32(self.obs_domain_id);
        out.put_u32(self.obs_point_id);
        if let Some(SamplingPort { port, direction }) = self.sampling {
            out.put_u16(short_port(port));
            out.put_u8(direction.map_or(0, |direction| direction.0));
            wire::put_zeros(out, 5);
        }
    }
}
