//! Masters behind https: only certificates of the configured authorities are trusted.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use crate::support::{settings, state_answer};
use node_gather::mesos::client::{Cause, Client, ClientError};
use node_gather::summarize::ClusterState;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secrecy::SecretString;

/// A certificate authority for one test.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A master that answers every connection with its state, with a certificate for that name. Returns its URL.
fn master(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, is_expired: bool) -> String {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    if is_expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
            // A client that refuses the certificate disconnects, which the test expects.
            let _ = crate::support::serve(&mut stream, &state_answer());
        }
    });
    url
}

/// The result of asking the master, with trust in these authorities only.
fn ask(url: String, ca_bundle: &str) -> Result<u32, Cause> {
    let client = Client::new(settings(&[url]), None, Some(&SecretString::from(ca_bundle))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(client.fetch(|| ClusterState::new(&[]))) {
        Ok(fetched) => Ok(fetched.state.registered_agents()),
        Err(mut error) => Err(error.0.remove(0).cause),
    }
}

#[track_caller]
fn is_refused(asked: &Result<u32, Cause>, why: &str) {
    let Err(cause @ Cause::Connect(_)) = asked else { panic!("not refused: {asked:?}") };
    let text = shared::error::Chain::new(cause).to_string();
    assert!(text.contains(why), "{why} is not in {text}");
}

#[test]
fn a_master_with_a_certificate_of_the_bundle_is_read() {
    let (ours, another) = (authority(), authority());
    let agents = ask(master(&ours, "127.0.0.1", false), &format!("{}\n{}", another.pem(), ours.pem()));
    assert!(agents.is_ok_and(|agents| agents > 0));
}

#[test]
fn a_master_with_a_certificate_of_another_authority_is_refused() {
    is_refused(&ask(master(&authority(), "127.0.0.1", false), &authority().pem()), "invalid peer certificate");
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let authority = authority();
    is_refused(&ask(master(&authority, "mesos.example", false), &authority.pem()), "not valid for name");
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = authority();
    is_refused(&ask(master(&authority, "127.0.0.1", true), &authority.pem()), "expired");
}

#[test]
fn a_bundle_without_certificates_is_refused_at_the_start() {
    for bundle in ["", "not a certificate"] {
        let client = Client::new(settings(&["https://10.0.0.5".to_owned()]), None, Some(&SecretString::from(bundle)));
        assert!(matches!(client, Err(ClientError::NoCertificates | ClientError::CaBundle(_))), "{client:?}");
    }
}
