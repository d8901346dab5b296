//! TLS at the front door: versions, certificates by name, clients without trust.

use http::{Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{Config, TlsSource};
use rustls::pki_types::ServerName;

use crate::support::{Client, start, tls, trusting, within};

/// PS-001: TLS 1.2 and 1.3 are served, clear text on the same port is HTTP, not a resource over broken TLS.
#[tokio::test]
async fn versions_1_2_and_1_3_are_served() {
    let running = start(Config::default());

    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(running.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();

        let stream = within(connector.connect(name, running.connect().await)).await.unwrap();

        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let request = Request::get("/livez").header("host", "localhost").body(Full::default()).unwrap();
        assert_eq!(Client::http1(stream).await.send(request).await.status(), StatusCode::OK);
    }
}

/// PS-001: older versions are answered with an alert and never with HTTP.
#[tokio::test]
async fn versions_1_0_and_1_1_are_refused_with_an_alert() {
    let running = start(Config::default());

    for minor in [1, 2] {
        // A ClientHello of that version: random, no session, one cipher suite, no compression.
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
        let length = u8::try_from(hello.len()).unwrap();
        let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
        record.extend(hello);
        let mut stream = running.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &record).await.unwrap();

        let mut answer = Vec::new();
        let _ = within(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)).await;

        assert_eq!(answer.first(), Some(&0x15), "an alert for 3.{minor}: {answer:?}");
    }
}

#[tokio::test]
async fn every_permitted_name_gets_a_certificate_that_verifies() {
    let config =
        Config { public_url: Some("https://push.example.org".parse().unwrap()), ..Config::default() };
    let running = start(config);

    for name in ["localhost", "127.0.0.1", "::1", "app.test", "fcm.googleapis.com", "push.example.org"] {
        tls(&running, name, &["h2"]).await;
    }
}

#[tokio::test]
async fn a_foreign_name_gets_no_certificate_that_verifies() {
    let running = start(Config::default());
    let name = ServerName::try_from("example.com").unwrap();

    let error = trusting(&running.ca_pem, &[]).connect(name, running.connect().await);

    assert!(within(error).await.is_err());
}

/// The log line for this case is counted, because a test of the log would test the log.
#[tokio::test]
async fn a_client_without_trust_is_noticed() {
    let running = start(Config::default());
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let name = ServerName::try_from("localhost").unwrap();
    let mut handshake = Box::pin(trusting(&stranger, &[]).connect(name, running.connect().await));
    let error = within(&mut handshake).await.unwrap_err();
    drop(handshake);
    assert!(
        error.to_string().contains("UnknownIssuer") || error.to_string().contains("invalid peer certificate"),
        "{error}"
    );

    // The alert is read by another task: its count is waited for.
    let seen = async {
        loop {
            let text = String::from_utf8_lossy(running.get("/metrics").await.body()).into_owned();
            if text.contains("push_tls_distrusted_total 1") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within(seen).await;
}

#[tokio::test]
async fn certificate_from_files_is_served_for_every_name() {
    let directory = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["push.internal".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let mut running = start(Config { tls: TlsSource::Files { certificate, key }, ..Config::default() });
    assert_eq!(running.ca_pem, "", "there is no authority to trust");
    running.ca_pem = pair.cert.pem();

    tls(&running, "push.internal", &["http/1.1"]).await;
}

#[tokio::test]
async fn kept_authority_outlives_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let config = || Config {
        tls: TlsSource::Authority { directory: Some(directory.path().join("ca")) },
        ..Config::default()
    };
    let first = start(config());
    let trusted = first.ca_pem.clone();
    first.stop().await;

    let mut second = start(config());

    second.ca_pem = trusted;
    tls(&second, "localhost", &["h2"]).await;
}
