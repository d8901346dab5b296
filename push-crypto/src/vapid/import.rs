//! Reads a key in whatever form it was stored, and says what it got.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use p256::pkcs8::{
    self, ObjectIdentifier,
    der::{
        self, Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
        asn1::{AnyRef, BitStringRef, OctetStringRef},
    },
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::key::{VapidKey, VapidPublicKey};
use crate::{
    base64url,
    protocol::{KeyError, PointError, PrivateKey, PublicKey},
    provider::{CryptoProvider, ProviderError},
};

/// What [`import`] read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportedKey {
    /// A private key, and so both halves.
    Private(VapidKey),
    /// A public key only.
    Public(VapidPublicKey),
}

impl ImportedKey {
    /// The public half, which both have.
    #[must_use]
    pub const fn public(&self) -> &VapidPublicKey {
        match self {
            Self::Private(key) => key.public(),
            Self::Public(key) => key,
        }
    }
}

/// The form in which a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFormat {
    /// The raw scalar (32 octets) or point (65 octets) in base64url; padding and the standard alphabet are read.
    Base64url,
    /// DER of PKCS#8 (RFC 5958).
    DerPkcs8,
    /// DER of SEC1 (RFC 5915).
    DerSec1,
    /// DER of SubjectPublicKeyInfo (RFC 5480).
    DerSpki,
    /// `{"publicKey":…,"privateKey":…}`, as `web-push generate-vapid-keys --json` writes it.
    JsonPair,
    /// JSON Web Key (RFC 7517).
    Jwk,
    /// `PRIVATE KEY`.
    PemPkcs8,
    /// `EC PRIVATE KEY`.
    PemSec1,
    /// `PUBLIC KEY`.
    PemSpki,
    /// The raw octets themselves.
    Raw,
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base64url => "base64url",
            Self::DerPkcs8 => "DER (PKCS#8)",
            Self::DerSec1 => "DER (SEC1)",
            Self::DerSpki => "DER (SubjectPublicKeyInfo)",
            Self::JsonPair => "JSON with publicKey and privateKey",
            Self::Jwk => "JWK",
            Self::PemPkcs8 => "PEM (PKCS#8)",
            Self::PemSec1 => "PEM (SEC1)",
            Self::PemSpki => "PEM (SubjectPublicKeyInfo)",
            Self::Raw => "raw octets",
        })
    }
}

/// Reads a private or public key in any form of [`KeyFormat`]; white space around a text is ignored.
///
/// # Errors
/// [`VapidKeyError`], which says what was there instead.
pub fn import(provider: &CryptoProvider, octets: &[u8]) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    match octets {
        [0x04, ..] if octets.len() == PublicKey::LENGTH => return raw_point(octets, KeyFormat::Raw),
        [0x30, ..] if octets.len() > 64 && !octets.is_ascii() => return from_der(provider, octets),
        _ => {}
    }
    let Ok(text) = core::str::from_utf8(octets) else {
        return match octets.len() {
            PrivateKey::LENGTH => raw_scalar(provider, octets, KeyFormat::Raw),
            length => Err(VapidKeyError::Binary { octets: length }),
        };
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        Err(VapidKeyError::Empty)
    } else if text.contains("-----BEGIN ") {
        from_pem(provider, text)
    } else if text.starts_with('{') {
        from_json(provider, text)
    } else {
        from_base64url(provider, text)
    }
}

fn raw_point(octets: &[u8], format: KeyFormat) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    let point = PublicKey::from_octets(octets).map_err(VapidKeyError::Point)?;
    Ok((ImportedKey::Public(VapidPublicKey::new(point)), format))
}

fn raw_scalar(
    provider: &CryptoProvider,
    octets: &[u8],
    format: KeyFormat,
) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    let private = PrivateKey::from_octets(octets).map_err(VapidKeyError::Private)?;
    let key = VapidKey::from_private(provider, private).map_err(VapidKeyError::Provider)?;
    Ok((ImportedKey::Private(key), format))
}

fn from_base64url(provider: &CryptoProvider, text: &str) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    if matches!(text.len(), 64 | 130) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(VapidKeyError::Hex { digits: text.len() });
    }
    let read = base64url::decode_tolerant(text).map_err(VapidKeyError::Base64)?;
    let octets = Zeroizing::new(read.octets);
    match octets.len() {
        PrivateKey::LENGTH => raw_scalar(provider, &octets, KeyFormat::Base64url),
        PublicKey::LENGTH => raw_point(&octets, KeyFormat::Base64url),
        // The body of a PEM text without its marks.
        length if length > PublicKey::LENGTH && octets.first() == Some(&0x30) => from_der(provider, &octets),
        length => Err(VapidKeyError::Length { octets: length }),
    }
}

/// Takes the first block that holds a key; `openssl ecparam -genkey` puts `EC PARAMETERS` in front of it.
fn from_pem(provider: &CryptoProvider, text: &str) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or(VapidKeyError::PemMarks)?;
        let (body, after) = after.split_once("-----END ").ok_or(VapidKeyError::PemMarks)?;
        rest = after;
        if label == "EC PARAMETERS" {
            continue;
        }
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            return Err(VapidKeyError::Encrypted);
        }
        // Reserved in full, so that no copy of the secret is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(body.len()));
        text.extend(body.split_ascii_whitespace());
        let der = Zeroizing::new(base64url::decode_tolerant(&text).map_err(VapidKeyError::Base64)?.octets);
        return match label {
            "PRIVATE KEY" => Ok((from_pkcs8(provider, &der)?, KeyFormat::PemPkcs8)),
            "EC PRIVATE KEY" => Ok((from_sec1(provider, &der)?, KeyFormat::PemSec1)),
            "PUBLIC KEY" => Ok((from_spki(&der)?, KeyFormat::PemSpki)),
            other => Err(VapidKeyError::PemLabel { label: shorten(other) }),
        };
    }
    Err(VapidKeyError::PemMarks)
}

fn from_der(provider: &CryptoProvider, der: &[u8]) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    if pkcs8::PrivateKeyInfoRef::from_der(der).is_ok() {
        Ok((from_pkcs8(provider, der)?, KeyFormat::DerPkcs8))
    } else if EcPrivateKey::read(der).is_ok() {
        Ok((from_sec1(provider, der)?, KeyFormat::DerSec1))
    } else {
        Ok((from_spki(der)?, KeyFormat::DerSpki))
    }
}

fn from_pkcs8(provider: &CryptoProvider, der: &[u8]) -> Result<ImportedKey, VapidKeyError> {
    let info = pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| VapidKeyError::Der)?;
    let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    check_algorithm(info.algorithm.oid, curve)?;
    let key = EcPrivateKey::read(info.private_key.as_bytes()).map_err(|_| VapidKeyError::Der)?;
    from_ec_private_key(provider, &key)
}

fn from_sec1(provider: &CryptoProvider, der: &[u8]) -> Result<ImportedKey, VapidKeyError> {
    let key = EcPrivateKey::read(der).map_err(|_| VapidKeyError::Der)?;
    from_ec_private_key(provider, &key)
}

/// `SEQUENCE { 1, OCTET STRING, [0] OBJECT IDENTIFIER OPTIONAL, [1] BIT STRING OPTIONAL }` (RFC 5915 §3).
struct EcPrivateKey<'a> {
    private: &'a [u8],
    /// Named or written out.
    curve: Option<AnyRef<'a>>,
    public: Option<&'a [u8]>,
}

impl<'a> EcPrivateKey<'a> {
    fn read(octets: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(octets)?;
        let key = reader.sequence(|reader| {
            if u8::decode(reader)? != 1 {
                return Err(Tag::Integer.value_error().into());
            }
            let private = <&OctetStringRef>::decode(reader)?.as_bytes();
            let mut key = Self { private, curve: None, public: None };
            while !reader.is_finished() {
                let field = AnyRef::decode(reader)?;
                match field.tag() {
                    Tag::ContextSpecific { number: TagNumber(0), constructed: true } => {
                        key.curve = Some(AnyRef::from_der(field.value())?);
                    }
                    Tag::ContextSpecific { number: TagNumber(1), constructed: true } => {
                        key.public = BitStringRef::from_der(field.value())?.as_bytes();
                    }
                    other => return Err(other.value_error().into()),
                }
            }
            Ok::<_, der::Error>(key)
        })?;
        reader.finish()?;
        Ok(key)
    }
}

fn from_ec_private_key(
    provider: &CryptoProvider,
    key: &EcPrivateKey<'_>,
) -> Result<ImportedKey, VapidKeyError> {
    if let Some(curve) = key.curve {
        check_algorithm(EC_PUBLIC_KEY, curve.decode_as().ok())?;
    }
    let (key_pair, _) = raw_scalar(provider, key.private, KeyFormat::DerSec1)?;
    match key.public {
        Some(public) if public != key_pair.public().point().as_octets() => Err(VapidKeyError::Pair),
        _ => Ok(key_pair),
    }
}

fn from_spki(der: &[u8]) -> Result<ImportedKey, VapidKeyError> {
    let info = pkcs8::SubjectPublicKeyInfoRef::from_der(der).map_err(|_| VapidKeyError::Der)?;
    let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    check_algorithm(info.algorithm.oid, curve)?;
    let point = info.subject_public_key.as_bytes().ok_or(VapidKeyError::Der)?;
    raw_point(point, KeyFormat::DerSpki).map(|(key, _)| key)
}

/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1 (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// Algorithms and curves that people store keys of by mistake, for naming them in the error (AS-017).
const OTHERS: &[(&str, &str)] = &[
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.112", "Ed25519"),
];

fn check_algorithm(
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
) -> Result<(), VapidKeyError> {
    let found = match (algorithm, curve) {
        (EC_PUBLIC_KEY, Some(P256)) => return Ok(()),
        (EC_PUBLIC_KEY, Some(curve)) => curve,
        (EC_PUBLIC_KEY, None) => return Err(VapidKeyError::CurveParameters),
        (algorithm, _) => algorithm,
    };
    let oid = found.to_string();
    let name = OTHERS.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name);
    Err(VapidKeyError::Curve { found: name.map_or(oid, ToString::to_string) })
}

fn from_json(provider: &CryptoProvider, text: &str) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    let value: Value = serde_json::from_str(text).map_err(|_| VapidKeyError::Json)?;
    let Value::Object(members) = value else { return Err(VapidKeyError::Json) };
    let result = if members.contains_key("kty") {
        from_jwk(provider, &members).map(|key| (key, KeyFormat::Jwk))
    } else if members.contains_key("privateKey") || members.contains_key("publicKey") {
        from_pair(provider, &members).map(|key| (key, KeyFormat::JsonPair))
    } else {
        Err(VapidKeyError::JsonMembers)
    };
    for (_, value) in members {
        if let Value::String(text) = value {
            drop(Zeroizing::new(text));
        }
    }
    result
}

fn member(
    members: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Zeroizing<Vec<u8>>>, VapidKeyError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let read = base64url::decode_tolerant(text).map_err(VapidKeyError::Base64)?;
            Ok(Some(Zeroizing::new(read.octets)))
        }
        Some(_) => Err(VapidKeyError::JsonMembers),
    }
}

fn from_jwk(provider: &CryptoProvider, members: &Map<String, Value>) -> Result<ImportedKey, VapidKeyError> {
    let text = |name| members.get(name).and_then(Value::as_str);
    match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => {}
        (_, Some(curve)) => return Err(VapidKeyError::Curve { found: shorten(curve) }),
        (kty, None) => return Err(VapidKeyError::Curve { found: shorten(kty.unwrap_or("no kty")) }),
    }
    let public = match (member(members, "x")?, member(members, "y")?) {
        (Some(x), Some(y)) if x.len() == 32 && y.len() == 32 => {
            let octets = [&[0x04], x.as_slice(), y.as_slice()].concat();
            Some(PublicKey::from_octets(&octets).map_err(VapidKeyError::Point)?)
        }
        (None, None) => None,
        _ => return Err(VapidKeyError::JwkCoordinates),
    };
    join(provider, member(members, "d")?, public)
}

fn from_pair(provider: &CryptoProvider, members: &Map<String, Value>) -> Result<ImportedKey, VapidKeyError> {
    let public = match member(members, "publicKey")? {
        Some(octets) => Some(PublicKey::from_octets(&octets).map_err(VapidKeyError::Point)?),
        None => None,
    };
    join(provider, member(members, "privateKey")?, public)
}

fn join(
    provider: &CryptoProvider,
    private: Option<Zeroizing<Vec<u8>>>,
    public: Option<PublicKey>,
) -> Result<ImportedKey, VapidKeyError> {
    let Some(private) = private else {
        return public
            .map(|point| ImportedKey::Public(VapidPublicKey::new(point)))
            .ok_or(VapidKeyError::JsonMembers);
    };
    let (key, _) = raw_scalar(provider, &private, KeyFormat::Jwk)?;
    if public.is_some_and(|public| public != *key.public().point()) {
        return Err(VapidKeyError::Pair);
    }
    Ok(key)
}

/// What is not secret of a foreign text, cut to 24 characters and free of control characters.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(24).collect()
}

/// Why something is not a key for VAPID. No text of it is shown, since it may be the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VapidKeyError {
    /// Not base64.
    Base64(base64url::Base64Error),
    /// Octets that are no text, no DER and no raw key.
    Binary {
        /// How many there are.
        octets: usize,
    },
    /// A key of another curve or algorithm.
    Curve {
        /// Its name or object identifier.
        found: String,
    },
    /// An elliptic-curve key whose curve is written out instead of named.
    CurveParameters,
    /// A damaged DER structure.
    Der,
    /// Nothing there.
    Empty,
    /// Protected by a passphrase.
    Encrypted,
    /// Hexadecimal digits.
    Hex {
        /// How many there are.
        digits: usize,
    },
    /// Text in braces that is not JSON.
    Json,
    /// JSON that is neither a JWK nor a pair of keys.
    JsonMembers,
    /// A JWK whose coordinates are not 32 octets each.
    JwkCoordinates,
    /// Base64 of another length than 32 or 65 octets.
    Length {
        /// How many octets it stands for.
        octets: usize,
    },
    /// Public and private half do not belong together.
    Pair,
    /// A PEM block of another kind.
    PemLabel {
        /// What stands behind `BEGIN`.
        label: String,
    },
    /// A PEM text without both of its marks.
    PemMarks,
    /// 65 octets that are no point.
    Point(PointError),
    /// 32 octets that are no private key.
    Private(KeyError),
    /// The provider failed.
    Provider(ProviderError),
    /// A public key where a private one is needed.
    PublicOnly {
        /// How it was written.
        format: KeyFormat,
    },
}

impl fmt::Display for VapidKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64(error) => write!(f, "the key is not base64url, PEM, DER or JWK: {error}"),
            Self::Binary { octets } => write!(
                f,
                "the key is {octets} octets of neither DER nor a raw key (32 or 65 octets); give PEM or base64url"
            ),
            Self::Curve { found } => {
                write!(f, "the key is of {found}, VAPID needs P-256 (prime256v1, ES256); make a new key")
            }
            Self::CurveParameters => f.write_str(
                "the key spells its curve out instead of naming it; write it anew with a named curve \
                 (openssl -param_enc named_curve)",
            ),
            Self::Der => f.write_str("the key's DER structure is damaged or of another kind; export it again"),
            Self::Empty => f.write_str("there is no key: the text is empty"),
            Self::Encrypted => f.write_str(
                "the key is protected by a passphrase, which is not read here; decrypt it first (openssl pkey)",
            ),
            Self::Hex { digits } => write!(
                f,
                "the key is {digits} hexadecimal digits; write it in base64url (43 characters private, 87 public)"
            ),
            Self::Json => f.write_str("the key starts with a brace but is not JSON; give the whole JWK"),
            Self::JsonMembers => f.write_str(
                "the JSON is no key: a JWK has kty, crv, x, y and d, a pair has publicKey and privateKey",
            ),
            Self::JwkCoordinates => {
                f.write_str("the JWK's x and y are not 32 octets each in base64url; export it again")
            }
            Self::Length { octets } => write!(
                f,
                "the key has {octets} octets, a private key has 32 and a public key 65; was it cut?"
            ),
            Self::Pair => f.write_str(
                "the public key does not belong to the private key; take both halves from one pair",
            ),
            Self::PemLabel { label } => write!(
                f,
                "the PEM text holds \"{label}\"; PRIVATE KEY, EC PRIVATE KEY or PUBLIC KEY is needed"
            ),
            Self::PemMarks => {
                f.write_str("the PEM text lacks its BEGIN or END line; give the whole text with both")
            }
            Self::Point(error) => write!(f, "the public key is not a P-256 point: {error}"),
            Self::Private(error) => error.fmt(f),
            Self::Provider(error) => error.fmt(f),
            Self::PublicOnly { format } => {
                write!(f, "it is a public key ({format}), the private key is needed for signing")
            }
        }
    }
}

impl core::error::Error for VapidKeyError {}
