//! What a certificate says about its holder, as far as the controller asks: names, datapath ids, last day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::DatapathId;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use super::{DATAPATH_ID_PREFIX, DATAPATH_IDS_MAX};

/// Names of one certificate that are kept; more are no switch's.
const NAMES_MAX: usize = 64;

/// A certificate, read. Nothing here is checked: whoever believes it has verified the chain first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// As [`fingerprint`] writes it.
    pub fingerprint: String,
    /// Common names, DNS names and URIs.
    pub names: Vec<String>,
    /// The datapath ids among the URIs; `None` if it names none at all. A URI that begins like one and can't be read allows nothing.
    pub datapath_ids: Option<Vec<DatapathId>>,
    /// The end of its validity, in seconds since 1970.
    not_after: i64,
    /// The same for people.
    last_moment: String,
}

impl CertificateFacts {
    /// Reads a certificate's DER form.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(der: &[u8]) -> Result<CertificateFacts, String> {
        let (rest, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} octets after the certificate", rest.len()));
        }
        let mut names: Vec<String> =
            certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
        let mut datapath_ids = None;
        let alternative = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::URI(uri) => {
                    names.push((*uri).to_owned());
                    if let Some(id) = uri.strip_prefix(DATAPATH_ID_PREFIX) {
                        let ids: &mut Vec<DatapathId> = datapath_ids.get_or_insert_default();
                        ids.extend(id.parse::<DatapathId>().ok().filter(|_| ids.len() < DATAPATH_IDS_MAX));
                    }
                }
                _ => {}
            }
        }
        names.truncate(NAMES_MAX);
        let not_after = certificate.validity().not_after;
        Ok(CertificateFacts {
            fingerprint: fingerprint(der),
            names,
            datapath_ids,
            not_after: not_after.timestamp(),
            last_moment: not_after.to_string(),
        })
    }

    /// When its validity ends, for people.
    pub fn last_moment(&self) -> &str {
        &self.last_moment
    }

    /// How long it lasts yet; zero if it has expired.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(u64::try_from(self.not_after).unwrap_or(0)).saturating_sub(now)
    }
}

/// SHA-256 over the DER form: `sha256:` and 64 hex digits.
pub fn fingerprint(der: &[u8]) -> String {
    let hex: String = Sha256::digest(der).iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{hex}")
}
