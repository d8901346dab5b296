//! TLS towards push services: whom to trust, which protocols to offer, and what a failed handshake means.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{CertificateProblem, HttpVersion, Problem, options::TransportOptions};
use crate::error::BuildError;

/// A client configuration for these options. Reads the system's certificates, which takes milliseconds.
pub(crate) fn configuration(options: &TransportOptions) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| BuildError::Tls)?;
    let mut configuration = if options.any_certificate {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(options)?).with_no_client_auth()
    };
    let protocols: &[&[u8]] = match options.version {
        HttpVersion::Auto => &[b"h2", b"http/1.1"],
        HttpVersion::Http1 => &[b"http/1.1"],
        HttpVersion::Http2 => &[b"h2"],
    };
    configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(configuration)
}

/// The system's roots, or the compiled-in list where the system has none, and those that were added.
fn roots(options: &TransportOptions) -> Result<RootCertStore, BuildError> {
    let mut store = RootCertStore::empty();
    if options.system_roots {
        let (usable, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if usable == 0 {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    for root in &options.roots {
        store.add(root.clone()).map_err(|_| BuildError::Pem)?;
    }
    if store.is_empty() { Err(BuildError::Roots) } else { Ok(store) }
}

/// What a failed handshake means (AS-002).
pub(crate) fn problem(error: &io::Error) -> Problem {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(error)) => Problem::Certificate(match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                CertificateProblem::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CertificateProblem::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                CertificateProblem::WrongName
            }
            // A bad signature is that of an authority with the name of a trusted one but another key, such as a
            // local authority that was made anew.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                CertificateProblem::UnknownIssuer
            }
            _ => CertificateProblem::Other,
        }),
        Some(_) => Problem::Tls,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Problem::Closed
            }
            kind => Problem::Io(kind),
        },
    }
}

/// Accepts any certificate, as `danger_accept_any_certificate` asks; signatures are still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
