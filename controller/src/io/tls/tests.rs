//! Handshakes over real sockets with certificates made for the purpose, both ends rustls, each version by itself.

use std::sync::OnceLock;

use tokio::net::TcpListener;

use super::*;
use crate::pki;

/// One authority for all tests of this file: a folder that the first of them makes.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("trunkline-tls-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        pki::init(&folder, &[], 10).unwrap();
        pki::switch(&folder, "s1", &[DatapathId(1), DatapathId(2)], 90).unwrap();
        pki::init(&folder.join("strangers"), &[], 90).unwrap();
        pki::switch(&folder.join("strangers"), "s1", &[DatapathId(1)], 90).unwrap();
        folder
    })
}

fn config(certificate: &str, authority: &str, switches: Option<Vec<SwitchCertificate>>) -> TlsConfig {
    let file = |name: &str, kind: &str| folder().join(format!("{name}.{kind}"));
    TlsConfig {
        certificate: file(certificate, "pem"),
        key: file(certificate, "key"),
        client_ca: file(authority, "pem"),
        switches,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A handshake of a switch with this certificate: what the controller makes of it.
fn handshake(controller: &TlsConfig, switch: &TlsConfig) -> Result<AllowedDatapathIds, String> {
    let (controller, switch) = (Tls::load(controller).unwrap(), Tls::load(switch).unwrap());
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let dialled = async { switch.connect(stream).await.map(|(stream, _)| stream) };
        let accepted = async { controller.accept(listener.accept().await.unwrap().0).await };
        let (_, accepted) = tokio::join!(dialled, accepted);
        accepted.map(|(_, allowed)| allowed)
    })
}

fn these(ids: &[u64]) -> AllowedDatapathIds {
    AllowedDatapathIds::These(ids.iter().copied().map(DatapathId).collect::<Vec<_>>().into())
}

fn entry(certificate: CertificateName, ids: Option<&[u64]>) -> SwitchCertificate {
    let datapath_ids = ids.map(|ids| ids.iter().copied().map(DatapathId).collect());
    SwitchCertificate { certificate, datapath_ids }
}

#[test]
fn a_certificate_says_which_switch_it_is_unless_a_list_says_more() {
    let switch = config("switch-s1", "ca", None);
    assert_eq!(handshake(&config("controller", "ca", None), &switch), Ok(these(&[1, 2])));
    let name = || CertificateName::Name("s1".to_owned());
    for (list, expected) in [
        (vec![entry(name(), Some(&[7]))], Some(these(&[7]))),
        (vec![entry(name(), None)], Some(these(&[1, 2]))),
        (vec![entry(CertificateName::Name("s2".to_owned()), Some(&[7]))], None),
        (vec![], None),
    ] {
        let result = handshake(&config("controller", "ca", Some(list)), &switch);
        match expected {
            Some(expected) => assert_eq!(result, Ok(expected)),
            None => assert!(result.unwrap_err().contains("(s1, urn:trunkline:dpid:0000000000000001, urn:"), "named"),
        }
    }
    // One that names no datapath id is good for any.
    assert_eq!(
        handshake(&config("controller", "ca", None), &config("controller", "ca", None)),
        Ok(AllowedDatapathIds::Any)
    );
}

#[test]
fn a_certificate_is_known_by_its_fingerprint() {
    let der = CertificateDer::from_pem_file(folder().join("switch-s1.pem")).unwrap();
    let list = vec![entry(CertificateName::Fingerprint(pki::fingerprint(&der)), Some(&[5, 6]))];
    let switch = config("switch-s1", "ca", None);
    assert_eq!(handshake(&config("controller", "ca", Some(list)), &switch), Ok(these(&[5, 6])));
}

#[test]
fn a_certificate_of_somebody_else_is_refused_on_both_sides() {
    // The stranger trusts our authority, and has its own certificate.
    let stranger = config("strangers/switch-s1", "ca", None);
    let refused = handshake(&config("controller", "ca", None), &stranger).unwrap_err();
    assert!(refused.contains("TLS handshake failed"), "{refused}");
    // The switch does not trust us.
    let distrustful = config("switch-s1", "strangers/ca", None);
    assert!(handshake(&config("controller", "ca", None), &distrustful).is_err());
}

#[test]
fn a_peer_without_a_certificate_is_refused_in_both_versions_and_one_with_it_is_taken() {
    let controller = Tls::load(&config("controller", "ca", None)).unwrap();
    let switch = config("switch-s1", "ca", None);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&switch.client_ca).unwrap().remove(0)).unwrap();
    let roots = Arc::new(roots);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for with_certificate in [false, true] {
            let verifier = Arc::new(SwitchVerifier { roots: roots.clone(), provider: provider.clone() });
            let builder = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[version])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(verifier);
            let client = match with_certificate {
                false => builder.with_no_client_auth(),
                true => builder
                    .with_client_auth_cert(
                        certificates(&switch.certificate).unwrap(),
                        PrivateKeyDer::from_pem_file(&switch.key).unwrap(),
                    )
                    .unwrap(),
            };
            let accepted = runtime().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let connector = TlsConnector::from(Arc::new(client));
                let dialled = connector.connect(ServerName::try_from("controller").unwrap(), stream);
                let accepted = async { controller.accept(listener.accept().await.unwrap().0).await };
                tokio::join!(dialled, accepted).1.map(|(stream, _)| stream.get_ref().1.protocol_version())
            });
            match with_certificate {
                true => assert_eq!(accepted.unwrap(), Some(version.version)),
                false => {
                    let error = accepted.unwrap_err();
                    assert!(error.contains("peer sent no certificates"), "{version:?}: {error}");
                }
            }
        }
    }
}

#[test]
fn certificates_that_end_soon_are_named() {
    let tls = Tls::load(&config("controller", "ca", None)).unwrap();
    let soon = tls.expiring(SystemTime::now());
    assert!(soon.len() == 1 && soon[0].contains("controller.pem expires in 9 days"), "{soon:?}");
    let later = tls.expiring(SystemTime::now() + Duration::from_secs(11 * 86_400));
    assert!(later.len() == 1 && later[0].contains("controller.pem expired at"), "{later:?}");
}

#[test]
fn files_that_do_not_belong_together_are_named() {
    let mut config = config("controller", "ca", None);
    config.key = folder().join("ca.key");
    let error = Tls::load(&config).err().unwrap();
    assert!(error.contains("controller.pem") && error.contains("ca.key"), "{error}");
}
