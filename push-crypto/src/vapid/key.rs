//! The application server's key pair (RFC 8292 §2), and the forms in which it is written.
//!
//! Reading foreign forms is `import`'s.

use alloc::{string::String, vec::Vec};
use core::fmt;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::import::{self, ImportedKey, KeyFormat, VapidKeyError};
use crate::{
    base64url::{self, Base64Error, Form},
    protocol::{PointError, PrivateKey, PublicKey},
    provider::{CryptoProvider, ProviderError},
};

/// The application server key: what `k`, `p256ecdsa` and `applicationServerKey` carry (RFC 8292 §3.2, §4.1).
///
/// ```
/// use push_crypto::vapid::VapidPublicKey;
/// let text = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
/// let (key, form) = VapidPublicKey::from_text(text)?;
/// assert_eq!(key.to_base64url(), text);
/// assert!(form.is_canonical());
/// # Ok::<(), push_crypto::vapid::PublicKeyTextError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VapidPublicKey(PublicKey);

impl VapidPublicKey {
    /// Names a point as an application server key.
    #[must_use]
    pub const fn new(point: PublicKey) -> Self {
        Self(point)
    }

    /// Reads `k`: 65 octets in base64url without padding (RFC 8292 §3.2).
    ///
    /// Exact padding and the standard alphabet, which old senders write, are read too; the form tells.
    ///
    /// # Errors
    /// [`PublicKeyTextError`], which names DER and PEM.
    pub fn from_text(text: &str) -> Result<(Self, Form), PublicKeyTextError> {
        if text.trim_start().starts_with("-----BEGIN") {
            return Err(PublicKeyTextError::Point(PointError::Pem));
        }
        let read = base64url::decode_tolerant(text).map_err(PublicKeyTextError::Base64)?;
        let point = PublicKey::from_octets(&read.octets).map_err(PublicKeyTextError::Point)?;
        Ok((Self(point), read.form))
    }

    /// The point.
    #[must_use]
    pub const fn point(&self) -> &PublicKey {
        &self.0
    }

    /// The 65 octets as base64url without padding, 87 characters: the form of `k`.
    #[must_use]
    pub fn to_base64url(&self) -> String {
        self.0.to_base64url()
    }

    /// SubjectPublicKeyInfo (RFC 5480 §2), 91 octets.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        [SPKI_PREFIX, self.0.as_octets()].concat()
    }

    /// SubjectPublicKeyInfo under the label `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.to_der())
    }

    /// JSON Web Key (RFC 7517, RFC 7518 §6.2).
    #[must_use]
    pub fn to_jwk(&self) -> String {
        let (x, y) = self.coordinates();
        alloc::format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
    }

    fn coordinates(&self) -> (String, String) {
        let octets = self.0.as_octets();
        let (x, y) = octets.get(1..).unwrap_or_default().split_at(32);
        (base64url::encode(x), base64url::encode(y))
    }
}

impl fmt::Debug for VapidPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vapid{:?}", self.0)
    }
}

/// Why a text is not the key that `k` should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyTextError {
    /// Not base64.
    Base64(Base64Error),
    /// Base64 of something that is no point of P-256.
    Point(PointError),
}

impl PublicKeyTextError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "vapid/k-invalid"
    }
}

impl fmt::Display for PublicKeyTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64(error) => write!(f, "the application server key is not base64url: {error}"),
            Self::Point(PointError::Der { octets }) => write!(
                f,
                "the application server key has {octets} octets that start with 30: a DER structure; \
                 send the 65 raw octets (04 …) in base64url"
            ),
            Self::Point(PointError::Pem) => f.write_str(
                "the application server key is a PEM text; send the 65 raw octets (04 …) in base64url",
            ),
            Self::Point(PointError::Length { octets }) => write!(
                f,
                "the application server key has {octets} octets; send the 65 octets of the uncompressed point"
            ),
            Self::Point(error) => write!(f, "the application server key is not a P-256 point: {error}"),
        }
    }
}

impl core::error::Error for PublicKeyTextError {}

/// The key pair that signs VAPID tokens (RFC 8292 §2). `Debug` shows the public half's first characters only.
///
/// It is a type of its own, so that it cannot be used for encryption (RFC 8292 §3.2, AS-026).
///
/// ```
/// use push_crypto::{provider::rust_crypto, vapid::{KeyFormat, PemKind, VapidKey}};
/// let provider = &rust_crypto::PROVIDER;
/// let key = VapidKey::generate(provider)?;
/// let (same, format) = VapidKey::import(provider, key.to_pem(PemKind::Pkcs8).as_bytes())?;
/// assert_eq!((same.public(), format), (key.public(), KeyFormat::PemPkcs8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VapidKey {
    private: PrivateKey,
    public: VapidPublicKey,
}

/// Which structure a PEM or DER text of a private key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemKind {
    /// `PRIVATE KEY` (RFC 5958), what most libraries read.
    Pkcs8,
    /// `EC PRIVATE KEY` (RFC 5915), what `openssl ecparam -genkey` writes.
    Sec1,
}

impl VapidKey {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`ProviderError`] when there is no randomness.
    pub fn generate(provider: &CryptoProvider) -> Result<Self, ProviderError> {
        Self::from_private(provider, PrivateKey::generate(provider.random)?)
    }

    /// From a private key; the public half is computed.
    ///
    /// # Errors
    /// [`ProviderError`] when the provider cannot compute.
    pub fn from_private(provider: &CryptoProvider, private: PrivateKey) -> Result<Self, ProviderError> {
        let public = VapidPublicKey(provider.public_key(&private)?);
        Ok(Self { private, public })
    }

    /// Reads a private key in any form of [`KeyFormat`].
    ///
    /// # Errors
    /// [`VapidKeyError`], which says what was there instead; a public key gives [`VapidKeyError::PublicOnly`].
    pub fn import(provider: &CryptoProvider, octets: &[u8]) -> Result<(Self, KeyFormat), VapidKeyError> {
        match import::import(provider, octets)? {
            (ImportedKey::Private(key), format) => Ok((key, format)),
            (ImportedKey::Public(_), format) => Err(VapidKeyError::PublicOnly { format }),
        }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &VapidPublicKey {
        &self.public
    }

    /// The private half.
    #[must_use]
    pub const fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// The private scalar as base64url without padding, 43 characters: the form of `web-push generate-vapid-keys`.
    #[must_use]
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(base64url::encode(self.private.expose()))
    }

    /// PKCS#8 (RFC 5958) with the public half inside, 138 octets.
    #[must_use]
    pub fn to_der(&self) -> Zeroizing<Vec<u8>> {
        self.encode(PKCS8_PREFIX, PKCS8_MIDDLE)
    }

    /// PEM of either structure.
    #[must_use]
    pub fn to_pem(&self, kind: PemKind) -> Zeroizing<String> {
        Zeroizing::new(match kind {
            PemKind::Pkcs8 => pem("PRIVATE KEY", &self.to_der()),
            PemKind::Sec1 => pem("EC PRIVATE KEY", &self.encode(SEC1_PREFIX, SEC1_MIDDLE)),
        })
    }

    /// JSON Web Key with `d` (RFC 7518 §6.2.2).
    #[must_use]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        let ((x, y), d) = (self.public.coordinates(), self.to_base64url());
        Zeroizing::new(alloc::format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","d":"{}"}}"#,
            d.as_str()
        ))
    }

    fn encode(&self, prefix: &[u8], middle: &[u8]) -> Zeroizing<Vec<u8>> {
        // Reserved in full, so that no copy of the secret is left behind by growing.
        let mut out = Zeroizing::new(Vec::with_capacity(prefix.len() + 32 + middle.len() + 65));
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.private.expose());
        out.extend_from_slice(middle);
        out.extend_from_slice(self.public.point().as_octets());
        out
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").field("public", &self.public).finish_non_exhaustive()
    }
}

// The DER of a P-256 key is constant around its octets (RFC 5480 §2.1.1, RFC 5915 §3, RFC 5958 §2).
// id-ecPublicKey is 06 07 2a8648ce3d0201, prime256v1 is 06 08 2a8648ce3d030107.

/// `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING` up to the point.
const SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// `SEQUENCE { 0, SEQUENCE { … }, OCTET STRING { SEQUENCE { 1, OCTET STRING` up to the scalar.
const PKCS8_PREFIX: &[u8] = &[
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
    0x04, 0x20,
];
/// `[1] { BIT STRING` up to the point.
const PKCS8_MIDDLE: &[u8] = &[0xa1, 0x44, 0x03, 0x42, 0x00];
/// `SEQUENCE { 1, OCTET STRING` up to the scalar.
const SEC1_PREFIX: &[u8] = &[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
/// `[0] { prime256v1 }, [1] { BIT STRING` up to the point.
const SEC1_MIDDLE: &[u8] =
    &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00];

/// Standard base64 in lines of 64 characters between the two marks (RFC 7468 §2).
fn pem(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(Base64::encode_string(der));
    // 2 marks of at most 33 characters, one line end per 64.
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 70);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for (at, character) in body.char_indices() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}
