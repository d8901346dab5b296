//! The local certificate authority: made at start, in memory or kept in a directory, never installed anywhere.
//!
//! It can speak only for `localhost`, `.test`, loopback addresses, the vendors' push hosts and the names it was
//! made for (name constraints, RFC 5280 §4.2.1.10). Only the certificate leaves this module; the key does not.
//! Which leaf a handshake gets is decided in [`super::tls`].

mod files;

use std::{collections::HashMap, fmt, net::IpAddr, path::Path, sync::Mutex, time::Duration};

use push_crypto::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SanType,
};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest, Sha256};

pub(crate) use files::FileError;

use super::vendors::{self, is_below};

/// Life of the authority: a year, so that a stolen one ends by itself (our choice).
const AUTHORITY_LIFE: Duration = days(365);
/// Life of a leaf; browsers accept at most 398 days.
const LEAF_LIFE: Duration = days(90);
/// A leaf older than this is made anew, so that none expires while the service runs.
const LEAF_RENEWAL: Duration = days(60);
/// Certificates begin a day early: clocks of virtual machines are often slow.
const BACKDATED: Duration = days(1);
/// Leaves kept; our choice, a browser asks for a handful of names.
const LEAVES_KEPT: usize = 256;

/// Names of every authority; a name stands for itself and everything below it.
const LOCAL_NAMES: [&str; 2] = ["localhost", "test"];

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// Why no certificate could be made.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum AuthorityError {
    /// The library refused: a name that is no DNS name, or no randomness.
    Making(rcgen::Error),
    /// A directory or file of a kept authority.
    File(FileError),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Making(_) => f.write_str(
                "the local certificate authority could not be made; check the names of --public-url and --intercept-host",
            ),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthorityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Making(error) => Some(error),
            Self::File(error) => error.source(),
        }
    }
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error)
    }
}

impl From<FileError> for AuthorityError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// A certificate for one name, with the key that all leaves share.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The certificate alone: clients know the authority, or they do not trust it.
    pub(crate) certificate: CertificateDer<'static>,
    made: Timestamp,
}

/// The local certificate authority; `Debug` shows its names only.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    ends: Timestamp,
    names: Vec<String>,
    leaf_key: KeyPair,
    leaves: Mutex<HashMap<String, Leaf>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority which lives as long as this value.
    ///
    /// `names` are the hosts of `--public-url` and `--intercept-host`: DNS names or addresses.
    pub(crate) fn in_memory(names: &[String], now: Timestamp) -> Result<Self, AuthorityError> {
        Self::new(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?, names, now)
    }

    /// The authority kept in `directory`, or a new one put there: when there is none, when its parts do not belong
    /// together, when it was made for other names, or when it ends before a leaf made now.
    pub(crate) fn kept_in(
        directory: &Path,
        names: &[String],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let names = sorted(names);
        // Two services may start at once; the second one takes what the first one makes.
        let _lock = files::lock(directory)?;
        if let Some(kept) = files::read(directory)?
            && kept.names == names
            && kept.ends > now.after(LEAF_LIFE)
            && let Some(authority) = Self::from_kept(kept)
        {
            return Ok(authority);
        }
        let authority = Self::in_memory(&names, now)?;
        let kept = files::Kept {
            certificate_pem: authority.pem.clone(),
            key_pem: authority.issuer.key().serialize_pem(),
            leaf_key_pem: authority.leaf_key.serialize_pem(),
            names,
            ends: authority.ends,
        };
        files::write(directory, &kept)?;
        tracing::info!("a new local certificate authority was made");
        Ok(authority)
    }

    fn new(key: KeyPair, names: &[String], now: Timestamp) -> Result<Self, AuthorityError> {
        let names = sorted(names);
        let ends = now.after(AUTHORITY_LIFE);
        let mut params = authority_params(&key, &names);
        set_validity(&mut params, now.before(BACKDATED), ends);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            ends,
            names,
            leaf_key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            leaves: Mutex::default(),
        })
    }

    /// None when the parts are no certificate and keys, or do not belong together.
    fn from_kept(kept: files::Kept) -> Option<Self> {
        use rustls::pki_types::pem::PemObject as _;
        let certificate = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes()).ok()?;
        let key = KeyPair::from_pem(&kept.key_pem).ok()?;
        let certified = ParsedCertificate::try_from(&certificate).ok()?.subject_public_key_info();
        if certified.as_ref() != key.subject_public_key_info() || kept.certificate_pem.contains("PRIVATE KEY")
        {
            return None;
        }
        let params = authority_params(&key, &kept.names);
        Some(Self {
            pem: kept.certificate_pem,
            issuer: Issuer::new(params, key),
            ends: kept.ends,
            names: kept.names,
            leaf_key: KeyPair::from_pem(&kept.leaf_key_pem).ok()?,
            leaves: Mutex::default(),
        })
    }

    /// The certificate of the authority as PEM: what a client has to trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the SubjectPublicKeyInfo that every leaf has: Chromium can be told to trust exactly this key.
    pub(crate) fn spki(&self) -> [u8; 32] {
        Sha256::digest(self.leaf_key.subject_public_key_info()).into()
    }

    /// The private key of the leaves, PKCS#8, for the TLS configuration only.
    pub(crate) fn leaf_key_der(&self) -> Vec<u8> {
        self.leaf_key.serialize_der()
    }

    /// True when the authority may speak for `name`.
    pub(crate) fn speaks_for(&self, name: &str) -> bool {
        LOCAL_NAMES.into_iter().chain(vendors::names()).any(|permitted| is_below(name, permitted))
            || self.names.iter().any(|permitted| is_below(name, permitted))
    }

    /// The leaf for a server name of a handshake: one of its own for each name the authority may speak for, else
    /// the one of this machine (`localhost`, the loopback addresses, and addresses among the names).
    pub(crate) fn leaf(&self, server_name: Option<&str>, now: Timestamp) -> Result<Leaf, AuthorityError> {
        let name = server_name
            .map(str::to_ascii_lowercase)
            .filter(|name| name != "localhost" && self.speaks_for(name))
            .unwrap_or_else(|| "localhost".to_owned());
        let mut leaves = self.leaves.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(leaf) = leaves.get(&name).filter(|leaf| now.since(leaf.made) < LEAF_RENEWAL) {
            return Ok(leaf.clone());
        }
        let leaf = self.make_leaf(&name, now)?;
        if leaves.len() >= LEAVES_KEPT {
            leaves.clear();
        }
        leaves.insert(name, leaf.clone());
        Ok(leaf)
    }

    fn make_leaf(&self, name: &str, now: Timestamp) -> Result<Leaf, AuthorityError> {
        let mut subjects = vec![SanType::DnsName(name.try_into()?)];
        if name == "localhost" {
            // No `*.localhost`: rustls takes a wildcard below a single label for malformed.
            subjects.push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
            subjects.push(SanType::IpAddress(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
            let addresses = self.names.iter().filter_map(|name| name.parse().ok());
            subjects.extend(addresses.map(SanType::IpAddress));
        }
        let mut params = CertificateParams::default();
        params.subject_alt_names = subjects;
        // OpenSSL takes a leaf with the authority's subject for self-signed, so the names differ.
        params.distinguished_name = named(&format!("push service {name}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now.before(BACKDATED), now.after(LEAF_LIFE).min(self.ends));
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?;
        Ok(Leaf { certificate: certificate.der().clone(), made: now })
    }
}

/// Everything of the authority's certificate but its dates; the same for a kept one, which is signed already.
fn authority_params(key: &KeyPair, names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = Sha256::digest(key.subject_public_key_info());
    let short = digest.iter().take(4).map(|octet| format!("{octet:02x}")).collect::<String>();
    params.distinguished_name = named(&format!("push local CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted(names), excluded_subtrees: vec![] });
    params
}

fn permitted(names: &[String]) -> Vec<GeneralSubtree> {
    let fixed =
        LOCAL_NAMES.into_iter().chain(vendors::names()).map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let loopback = [
        GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128)),
    ];
    let own = names.iter().map(|name| match name.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Ok(address @ IpAddr::V6(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128)),
        Err(_) => GeneralSubtree::DnsName(name.clone()),
    });
    fixed.chain(loopback).chain(own).collect()
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn sorted(names: &[String]) -> Vec<String> {
    let bare = |name: &String| name.trim_matches(['[', ']']).trim_start_matches("*.").to_ascii_lowercase();
    let mut names: Vec<_> =
        names.iter().map(bare).filter(|name| !name.is_empty() && name != "localhost").collect();
    names.sort();
    names.dedup();
    names
}

/// Sets the validity in whole days: `rcgen` takes dates, and a day more or less does not matter here.
fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) {
    let (year, month, day) = date(from);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(to);
    params.not_after = rcgen::date_time_ymd(year, month, day);
}

/// Year, month and day in UTC.
fn date(at: Timestamp) -> (i32, u8, u8) {
    let millis = i64::try_from(at.as_unix_millis()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let day = jiff::tz::Offset::UTC.to_datetime(at).date();
    (day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
}

#[cfg(test)]
mod tests;
