//! TLS: what is trusted, what is not, and which version of HTTP is agreed on.

use std::sync::Arc;

use bytes::Bytes;
use http::Version;
use push_client::{
    Outcome, PushMessage, Ttl,
    outcome::UnsentReason,
    transport::{CertificateProblem, HttpVersion, Phase, Problem},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::support::{Kind, Peer, local, open, subscribe};

/// An authority, and what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn acceptor(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf of a test");
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(leaf.der().clone(), &key)
    }
}

fn acceptor(leaf: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut configuration = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(configuration))
}

fn self_signed() -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["push.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    acceptor(leaf.der().clone(), &key)
}

async fn send(peer: &Peer, authority: &Authority, version: HttpVersion) -> Outcome {
    let (_, subscription) = subscribe("https://push.example/p/1");
    local()
        .add_root_pem(authority.pem.as_bytes())
        .connect_to("push.example", peer.address)
        .http_version(version)
        .build()
        .unwrap()
        .send(&subscription, &PushMessage::text(Ttl::seconds(60), "Hello"))
        .await
}

#[tokio::test]
async fn http_2_is_agreed_on_and_the_authority_is_the_hosts() {
    let authority = Authority::new();
    let peer = Peer::with_status(Kind::Tls(authority.acceptor("push.example", |_| {})), 201).await;
    let (keys, subscription) = subscribe("https://push.example/p/1");
    let client = local()
        .add_root_pem(authority.pem.as_bytes())
        .connect_to("push.example:443", peer.address)
        .build()
        .unwrap();

    let outcome = client.send(&subscription, &PushMessage::text(Ttl::seconds(60), "Hello")).await;

    assert_eq!(outcome.status(), Some(201), "{outcome}");
    let [seen] = peer.seen().try_into().unwrap();
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.uri, "https://push.example/p/1");
    assert_eq!(open(&keys, &seen), b"Hello");
}

#[tokio::test]
async fn the_version_can_be_chosen() {
    let authority = Authority::new();
    let peer = Peer::with_status(Kind::Tls(authority.acceptor("push.example", |_| {})), 201).await;

    for (version, expected) in [(HttpVersion::Http1, Version::HTTP_11), (HttpVersion::Http2, Version::HTTP_2)]
    {
        assert_eq!(send(&peer, &authority, version).await.status(), Some(201));
        assert_eq!(peer.seen().last().unwrap().version, expected);
    }
}

/// AS-002: three distinct errors, and the server sees no request.
#[tokio::test]
async fn certificates_that_do_not_hold_are_told_apart() {
    let authority = Authority::new();
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let future = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    };
    for (acceptor, expected) in [
        (authority.acceptor("other.example", |_| {}), CertificateProblem::WrongName),
        (authority.acceptor("push.example", expired), CertificateProblem::Expired),
        (authority.acceptor("push.example", future), CertificateProblem::NotYetValid),
        (self_signed(), CertificateProblem::UnknownIssuer),
        (Authority::new().acceptor("push.example", |_| {}), CertificateProblem::UnknownIssuer),
    ] {
        let peer = Peer::with_status(Kind::Tls(acceptor), 201).await;

        let Outcome::Unsent(unsent) = send(&peer, &authority, HttpVersion::Auto).await else { panic!() };

        let problem = Problem::Certificate(expected);
        assert_eq!(unsent.reason, UnsentReason::Unreachable { phase: Phase::Tls, problem });
        assert!(peer.seen().is_empty());
    }
}

#[tokio::test]
async fn any_certificate_is_accepted_only_when_that_is_asked_for() {
    let peer = Peer::with_status(Kind::Tls(self_signed()), 201).await;
    let (_, subscription) = subscribe("https://push.example/p/1");
    let client =
        local().connect_to("push.example", peer.address).danger_accept_any_certificate().build().unwrap();

    let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await;

    assert_eq!(outcome.status(), Some(201), "{outcome}");
}

/// AS-001: what speaks no TLS gets nothing but the first octets of a handshake.
#[tokio::test]
async fn a_server_without_tls_gets_no_request() {
    let peer = Peer::start(Kind::Http1, |_, _| http::Response::new(Bytes::new())).await;

    let outcome = send(&peer, &Authority::new(), HttpVersion::Auto).await;

    assert!(matches!(outcome, Outcome::Unsent(_)), "{outcome}");
    assert!(peer.seen().is_empty());
}
