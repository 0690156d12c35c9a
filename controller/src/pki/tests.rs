//! What `pki` writes, read back with another library and with OpenSSL where it is installed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("trunkline-pki-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn facts(file: &Path) -> CertificateFacts {
    let parsed = x509_parser::pem::parse_x509_pem(&std::fs::read(file).unwrap()).unwrap().1;
    CertificateFacts::read(&parsed.contents).unwrap()
}

#[test]
fn an_authority_a_controller_and_switches_are_made_and_say_who_they_are() {
    let folder = Folder::new("all");
    let names = ["controller.example".to_owned(), "192.0.2.1".to_owned()];
    let made = init(&folder.0, &names, 90).unwrap();
    assert_eq!(made.names, names);
    let controller = facts(&made.controller.certificate);
    assert_eq!(controller.names, ["Trunkline controller", "controller.example"]);
    assert_eq!(controller.datapath_ids, None);
    let days = controller.remaining(SystemTime::now()).as_secs_f64() / 86_400.0;
    assert!((89.9..90.1).contains(&days), "{days}");
    assert_eq!(controller.fingerprint, made.controller.fingerprint);

    let one = switch(&folder.0, "s1", &[DatapathId(0xab), DatapathId(u64::MAX)], 90).unwrap();
    let read = facts(&one.certificate);
    assert_eq!(read.datapath_ids, Some(vec![DatapathId(0xab), DatapathId(u64::MAX)]));
    assert_eq!(read.names, ["s1", "urn:trunkline:dpid:00000000000000ab", "urn:trunkline:dpid:ffffffffffffffff"]);
    for key in [&made.authority.key, &made.controller.key, &one.key] {
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn openssl_verifies_what_was_made_for_both_ends() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: openssl is not installed");
        return;
    }
    let folder = Folder::new("openssl");
    let made = init(&folder.0, &[], CERTIFICATE_DAYS).unwrap();
    let one = switch(&folder.0, "s1", &[DatapathId(1)], CERTIFICATE_DAYS).unwrap();
    for (certificate, purpose) in
        [(&made.controller.certificate, "sslserver"), (&one.certificate, "sslclient"), (&one.certificate, "sslserver")]
    {
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
            .args([&made.authority.certificate, certificate])
            .output()
            .unwrap();
        assert!(output.status.success(), "{purpose}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new("twice");
    init(&folder.0, &[], 1).unwrap();
    switch(&folder.0, "s1", &[DatapathId(1)], 1).unwrap();
    let before: Vec<_> = ["ca.key", "ca.pem", "controller.key", "switch-s1.key"]
        .map(|f| std::fs::read(folder.0.join(f)).unwrap())
        .into();
    let error = init(&folder.0, &[], 1).unwrap_err();
    assert!(error.contains("ca.pem is there already") && error.contains("trunkline pki switch"), "{error}");
    let error = switch(&folder.0, "s1", &[DatapathId(2)], 1).unwrap_err();
    assert!(error.contains("switch-s1.pem is there already"), "{error}");
    let after: Vec<_> = ["ca.key", "ca.pem", "controller.key", "switch-s1.key"]
        .map(|f| std::fs::read(folder.0.join(f)).unwrap())
        .into();
    assert_eq!(before, after);
}

#[test]
fn a_switch_without_an_authority_is_told_to_make_one() {
    let folder = Folder::new("none");
    let error = switch(&folder.0, "s1", &[DatapathId(1)], 1).unwrap_err();
    assert!(error.contains("trunkline pki init"), "{error}");
    for name in ["", "a/b", "..", ".x", "ä", &"x".repeat(65)] {
        assert!(switch(&folder.0, name, &[DatapathId(1)], 1).unwrap_err().contains("cannot name"), "{name}");
    }
    assert!(init(&folder.0, &["not a name".to_owned()], 1).unwrap_err().contains("neither a DNS name nor an address"));
    assert!(!folder.0.exists(), "nothing is made where something is wrong");
}

proptest! {
    #[test]
    fn no_octets_panic_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(CertificateFacts::read(&octets).is_err());
    }

    #[test]
    fn no_change_of_a_certificate_panics_the_reader(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        thread_local! {
            static DER: Vec<u8> = {
                let mut params = leaf("s1", 1);
                params.subject_alt_names.push(SanType::URI(ia5("urn:trunkline:dpid:0000000000000001").unwrap()));
                params.self_signed(&new_key().unwrap()).unwrap().der().to_vec()
            };
        }
        let mut der = DER.with(Clone::clone);
        let at = at.index(der.len());
        der[at] = octet;
        let _ = CertificateFacts::read(&der);
    }
}
