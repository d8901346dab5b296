//! TLS of the front door: certificates by server name, ALPN, and what a failed handshake means.
//!
//! Certificates come from the local [`Authority`] or from the files of `--tls-cert` and `--tls-key`.

use std::{fmt, io, path::Path, sync::Arc};

use push_crypto::Timestamp;
use rustls::{
    AlertDescription, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SigningKey},
};

use super::authority::{Authority, AuthorityError};

/// Why TLS could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum TlsError {
    /// The local authority.
    Authority(AuthorityError),
    /// A file of `--tls-cert` or `--tls-key` holds nothing usable.
    File {
        /// The option.
        option: &'static str,
        /// Path and reason.
        why: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or the key is of a kind that is not supported.
    Pair(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(error) => error.fmt(f),
            Self::File { option, .. } => {
                write!(
                    f,
                    "the file of {option} could not be read as PEM; give a PEM file with the whole chain or the key"
                )
            }
            Self::Pair(_) => f.write_str(
                "the certificate of --tls-cert and the key of --tls-key cannot be used together; \
                 check that they belong to each other",
            ),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authority(error) => std::error::Error::source(error),
            Self::File { why, .. } => Some(why),
            Self::Pair(error) => Some(error),
        }
    }
}

impl From<AuthorityError> for TlsError {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

/// The TLS configuration with certificates of the local authority; `wall` reads the clock that dates leaves.
pub(crate) fn with_authority(
    authority: Arc<Authority>,
    wall: fn() -> Timestamp,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(authority.leaf_key_der()));
    let key = provider.key_provider.load_private_key(key).map_err(TlsError::Pair)?;
    config(provider, Arc::new(LocalCertificates { authority, key, wall }))
}

/// The TLS configuration with a certificate and a key from files, for every server name.
pub(crate) fn with_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain =
        CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .and_then(|chain| {
                if chain.is_empty() { Err(rustls::pki_types::pem::Error::NoItemsFound) } else { Ok(chain) }
            })
            .map_err(|why| TlsError::File { option: "--tls-cert", why })?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|why| TlsError::File { option: "--tls-key", why })?;
    let provider = provider();
    let pair = CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Pair)?;
    config(provider, Arc::new(GivenCertificate(Arc::new(pair))))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS 1.2 and 1.3 only (PS-001, BCP 195): rustls has no older ones.
fn config(
    provider: Arc<CryptoProvider>,
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(TlsError::Pair)?.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // One ticket is enough for a local client, and saves the work for the second.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Chooses a leaf of the local authority by server name.
struct LocalCertificates {
    authority: Arc<Authority>,
    key: Arc<dyn SigningKey>,
    wall: fn() -> Timestamp,
}

impl fmt::Debug for LocalCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalCertificates").field(&self.authority).finish()
    }
}

impl ResolvesServerCert for LocalCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.authority.leaf(hello.server_name(), (self.wall)()) {
            Ok(leaf) => Some(Arc::new(CertifiedKey::new(vec![leaf.certificate], Arc::clone(&self.key)))),
            Err(error) => {
                tracing::warn!(%error, "no certificate for a handshake");
                None
            }
        }
    }
}

/// The one certificate given by files.
struct GivenCertificate(Arc<CertifiedKey>);

impl fmt::Debug for GivenCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenCertificate")
    }
}

impl ResolvesServerCert for GivenCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// True when a handshake failed because the client does not trust the certificate.
///
/// Clients say so with one of three alerts: `unknown_ca` (OpenSSL and all that use it, Firefox), `bad_certificate`
/// (Go, Firefox) or `certificate_unknown` (Chromium, Java).
pub(crate) fn is_distrust(error: &io::Error) -> bool {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::AlertReceived(alert)) = reason else { return false };
    matches!(
        alert,
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(alert: AlertDescription) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert))
    }

    #[test]
    fn distrust_is_told_from_other_failures() {
        assert!(is_distrust(&failed(AlertDescription::UnknownCA)));
        assert!(is_distrust(&failed(AlertDescription::BadCertificate)));
        assert!(is_distrust(&failed(AlertDescription::CertificateUnknown)));
        assert!(!is_distrust(&failed(AlertDescription::ProtocolVersion)));
        assert!(!is_distrust(&io::Error::from(io::ErrorKind::UnexpectedEof)));
    }

    #[test]
    fn files_that_are_no_pem_are_named_by_their_option() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty.pem");
        std::fs::write(&path, "nothing").unwrap();

        let error = with_files(&path, &path).unwrap_err();

        assert!(error.to_string().contains("--tls-cert"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let path = |name: &str, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = path("cert.pem", pair.cert.pem());

        with_files(&certificate, &path("key.pem", pair.signing_key.serialize_pem())).unwrap();
        let error =
            with_files(&certificate, &path("other.pem", other.signing_key.serialize_pem())).unwrap_err();

        assert!(matches!(error, TlsError::Pair(_)), "{error}");
    }
}
