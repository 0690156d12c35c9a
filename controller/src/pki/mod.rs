//! The certificates of the OpenFlow channel: an authority of one's own, a certificate for the controller and one per switch.
//!
//! ```text
//! DIR/ca.pem          ca.key            the authority; its key is needed only to sign
//! DIR/controller.pem  controller.key    what `openflow.tls` names
//! DIR/switch-NAME.pem switch-NAME.key   what `ovs-vsctl set-ssl` gets on that switch's machine
//! ```
//! A switch's certificate names its datapath ids as URIs (`urn:trunkline:dpid:` and 16 hex digits, RFC 5280 §4.2.1.6): the controller takes
//! its holder for no other switch. Keys are ECDSA P-256, which OpenSSL, and so Open vSwitch, takes everywhere. No file is ever overwritten.

mod certificate;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::DatapathId;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use sha2::{Digest, Sha256};

pub use certificate::{CertificateFacts, fingerprint};

/// What a datapath id stands behind in a switch's certificate.
pub const DATAPATH_ID_PREFIX: &str = "urn:trunkline:dpid:";
/// Days that an authority lasts: as long as the network's hardware.
pub const AUTHORITY_DAYS: u32 = 3_650;
/// Days that a certificate lasts without `--days`.
pub const CERTIFICATE_DAYS: u32 = 730;
/// A certificate begins this long ago: the clocks of switches are often wrong by minutes.
const BACKDATED: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Longest name of a switch: it stands in a file's name and in a certificate's CN (RFC 5280, `ub-common-name`).
const NAME_OCTETS: usize = 64;
/// Most datapath ids of one certificate: the bridges of one Open vSwitch, which have a certificate together.
const DATAPATH_IDS_MAX: usize = 64;
/// Largest file that is read as a certificate or key.
const FILE_OCTETS: u64 = 1 << 20;

/// A certificate that was made, and where its files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM, readable by its owner only.
    pub key: PathBuf,
    /// Its last day, as `2027-11-21`.
    pub last_day: String,
    /// SHA-256 over the DER form, as `openflow.tls.switches` takes it.
    pub fingerprint: String,
}

/// What [`init`] has made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authority {
    /// The authority itself.
    pub authority: Made,
    /// The controller.
    pub controller: Made,
    /// What the controller's certificate is for.
    pub names: Vec<String>,
}

/// Makes an authority and the controller's certificate in a folder, which is made if it isn't there.
///
/// `names` are the DNS names and addresses that switches reach the controller by; without any, this machine's own.
///
/// # Errors
/// A sentence for the operator; nothing was written if one of the files was there already.
pub fn init(directory: &Path, names: &[String], days: u32) -> Result<Authority, String> {
    let files = ["ca.pem", "ca.key", "controller.pem", "controller.key"].map(|name| directory.join(name));
    if let Some(there) = files.iter().find(|file| file.exists()) {
        return Err(format!(
            "{} is there already, and nothing is overwritten: for another switch run `trunkline pki switch NAME --datapath-id ID --dir {}`, for a \
             new authority name an empty folder",
            there.display(),
            directory.display()
        ));
    }
    let names = if names.is_empty() { own_names() } else { names.to_vec() };
    let subject_names = names.iter().map(|name| subject_name(name)).collect::<Result<Vec<_>, _>>()?;
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700).create(directory).map_err(|error| failed("make", directory, error))?;

    let key = new_key()?;
    // A number of its own in the name: certificates of two authorities are told apart by people too.
    let number: String =
        Sha256::digest(key.public_key_raw()).iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let mut params = params(&format!("Trunkline CA {number}"), AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(cannot_make)?;
    let authority = write(&files[0], &files[1], &certificate, &key, &params)?;

    let issuer = Issuer::new(params, key);
    let key = new_key()?;
    let mut params = leaf("Trunkline controller", days);
    params.subject_alt_names = subject_names;
    let certificate = params.signed_by(&key, &issuer).map_err(cannot_make)?;
    let controller = write(&files[2], &files[3], &certificate, &key, &params)?;
    Ok(Authority { authority, controller, names })
}

/// Makes the certificate of one switch, signed by the authority in `directory`. It may be any of `datapath_ids`: the bridges of one Open
/// vSwitch share a certificate.
///
/// # Errors
/// A sentence for the operator.
pub fn switch(directory: &Path, name: &str, datapath_ids: &[DatapathId], days: u32) -> Result<Made, String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > NAME_OCTETS || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(format!("`{name}` cannot name a switch's files: 1 to {NAME_OCTETS} letters, digits, dots, dashes"));
    }
    if datapath_ids.is_empty() || datapath_ids.len() > DATAPATH_IDS_MAX {
        return Err(format!("a certificate is for 1 to {DATAPATH_IDS_MAX} datapath ids"));
    }
    let [ca, ca_key] = ["ca.pem", "ca.key"].map(|name| directory.join(name));
    if !ca.exists() || !ca_key.exists() {
        return Err(format!(
            "{} holds no authority (ca.pem and ca.key): make one with `trunkline pki init {}`, or name its folder with --dir",
            directory.display(),
            directory.display()
        ));
    }
    let [certificate_file, key_file] = ["pem", "key"].map(|kind| directory.join(format!("switch-{name}.{kind}")));
    if let Some(there) = [&certificate_file, &key_file].into_iter().find(|file| file.exists()) {
        return Err(format!(
            "{} is there already, and nothing is overwritten: remove switch-{name}.pem and switch-{name}.key to make a new certificate",
            there.display()
        ));
    }
    let authority_key = KeyPair::from_pem(&read(&ca_key)?).map_err(|error| failed("use", &ca_key, error))?;
    let issuer = Issuer::from_ca_cert_pem(&read(&ca)?, authority_key).map_err(|error| failed("use", &ca, error))?;
    let key = new_key()?;
    let mut params = leaf(name, days);
    for datapath_id in datapath_ids {
        params.subject_alt_names.push(SanType::URI(ia5(&format!("{DATAPATH_ID_PREFIX}{datapath_id}"))?));
    }
    let certificate = params.signed_by(&key, &issuer).map_err(cannot_make)?;
    write(&certificate_file, &key_file, &certificate, &key, &params)
}

fn params(name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Trunkline");
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = date_time_ymd(1970, 1, 1);
    params.not_before = start + now.saturating_sub(BACKDATED);
    params.not_after = start + (now + DAY * days);
    params
}

/// A certificate that signs nothing: for either end of a connection, for the controller dials switches as well.
fn leaf(name: &str, days: u32) -> CertificateParams {
    let mut params = params(name, days);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn new_key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(cannot_make)
}

fn ia5(text: &str) -> Result<Ia5String, String> {
    Ia5String::try_from(text).map_err(|_| format!("`{text}` is not ASCII, which names in certificates have to be"))
}

fn subject_name(name: &str) -> Result<SanType, String> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) if name.is_empty() || name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':' | ',')) => {
            Err(format!("`{name}` is neither a DNS name nor an address"))
        }
        Err(_) => Ok(SanType::DnsName(ia5(name)?)),
    }
}

/// What this machine is called, and its loopback addresses.
fn own_names() -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    if subject_name(host.trim()).is_ok() && !names.iter().any(|name| name == host.trim()) {
        names.insert(0, host.trim().to_owned());
    }
    names
}

fn write(
    certificate_file: &Path,
    key_file: &Path,
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    params: &CertificateParams,
) -> Result<Made, String> {
    // The key first: a certificate without its key looks finished and is not.
    create(key_file, 0o600, &key.serialize_pem())?;
    create(certificate_file, 0o644, &certificate.pem())?;
    Ok(Made {
        certificate: certificate_file.to_owned(),
        key: key_file.to_owned(),
        last_day: params.not_after.date().to_string(),
        fingerprint: fingerprint(certificate.der()),
    })
}

/// Writes a new file; one that is there stays as it is.
fn create(file: &Path, mode: u32, text: &str) -> Result<(), String> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .map_err(|error| failed("write", file, error))?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(|error| failed("write", file, error))
}

fn read(file: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut text = String::new();
    let source = std::fs::File::open(file).map_err(|error| failed("read", file, error))?;
    source.take(FILE_OCTETS).read_to_string(&mut text).map_err(|error| failed("read", file, error))?;
    Ok(text)
}

fn failed(verb: &str, file: &Path, error: impl Display) -> String {
    format!("cannot {verb} {}: {error}", file.display())
}

fn cannot_make(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}
