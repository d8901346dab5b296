//! The key schedules a second time, straight from the specifications, for intermediate values that the library
//! does not show: keys given directly, and the schedules that exist on paper only.

use hkdf::Hkdf;
use push_crypto::{ContentCoding, PublicKey};
use sha2::Sha256;

/// Names and values, as `intermediate` of a vector has them.
pub(super) type Steps = Vec<(&'static str, Vec<u8>)>;

/// What goes into the key schedule of one message.
pub(super) struct Inputs<'a> {
    pub(super) coding: ContentCoding,
    /// te-02: neither context nor the zero octet.
    pub(super) bare: bool,
    /// The shared secret, or the key given directly.
    pub(super) secret: &'a [u8],
    /// None where the first stage is left out.
    pub(super) auth: Option<&'a [u8]>,
    pub(super) salt: &'a [u8],
    /// Receiver and sender, where keys were agreed on.
    pub(super) parties: Option<(&'a PublicKey, &'a PublicKey)>,
}

pub(super) fn steps(inputs: &Inputs<'_>) -> Steps {
    let mut steps = Vec::new();
    let parties = inputs.parties.map(|(receiver, sender)| (receiver.as_octets(), sender.as_octets()));
    if inputs.parties.is_some() {
        steps.push(("ecdh_secret", inputs.secret.to_vec()));
    }
    let mut ikm = inputs.secret.to_vec();
    if let (Some(auth), Some((receiver, sender))) = (inputs.auth, parties) {
        let info = match inputs.coding {
            ContentCoding::Aes128gcm => [b"WebPush: info\0", &receiver[..], sender].concat(),
            ContentCoding::Aesgcm | ContentCoding::Aesgcm128 => b"Content-Encoding: auth\0".to_vec(),
        };
        let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(auth), &ikm);
        ikm = expand(&hkdf, &info, 32);
        steps.push(("prk_key", prk.to_vec()));
        steps.push(("key_info", info));
    }
    let context = match (inputs.coding, parties) {
        (ContentCoding::Aesgcm | ContentCoding::Aesgcm128, Some((receiver, sender))) => {
            [b"P-256\0", &[0, 65][..], receiver, &[0, 65], sender].concat()
        }
        _ => Vec::new(),
    };
    let info = |name: &str| {
        let label = format!("Content-Encoding: {name}").into_bytes();
        if inputs.bare { label } else { [label, vec![0], context.clone()].concat() }
    };
    let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(inputs.salt), &ikm);
    let (cek_info, nonce_info) = (info(inputs.coding.as_str()), info("nonce"));
    steps.push(("ikm", ikm));
    steps.push(("prk", prk.to_vec()));
    steps.push(("cek", expand(&hkdf, &cek_info, 16)));
    steps.push(("nonce", expand(&hkdf, &nonce_info, 12)));
    steps.push(("cek_info", cek_info));
    steps.push(("nonce_info", nonce_info));
    steps
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[u8], octets: usize) -> Vec<u8> {
    let mut out = vec![0; octets];
    // Refused are outputs over 8 160 octets only (RFC 5869 §2.3); these have at most 32.
    hkdf.expand(info, &mut out).expect("32 octets can be derived");
    out
}
