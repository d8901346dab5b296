//! The user agent that the corpus was encrypted for (RFC 8291 §5), and what every body is put through.

use push_crypto::{
    AuthSecret, ContentCoding, Encrypted, HeaderFields, PrivateKey, UserAgentKeys, base64url,
    coding::explain, decrypt, provider::rust_crypto,
};

/// The keys of RFC 8291 §5.
pub fn keys() -> UserAgentKeys {
    let private = base64url::decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94").expect("base64url");
    let private = PrivateKey::from_octets(&private).expect("a scalar of P-256");
    let auth = base64url::decode("BTBZMqHH6r4Tts7J_aSIgg").expect("base64url");
    let auth = AuthSecret::from_octets(&auth).expect("16 octets");
    UserAgentKeys::new(&rust_crypto::PROVIDER, private, Some(auth)).expect("a public key")
}

/// Reads, explains and opens; a text that comes out is never longer than what went in.
pub fn receive(keys: &UserAgentKeys, coding: ContentCoding, fields: &HeaderFields<'_>, body: &[u8]) {
    let Ok(message) = Encrypted::read(coding, fields, body.to_vec()) else { return };
    let again = Encrypted::read(message.coding(), fields, message.body().to_vec());
    assert!(again.is_ok_and(|again| again == message));
    let parts = explain::parts(coding, message.record_size(), body);
    assert!(parts.iter().all(|part| part.at + part.octets <= body.len()));
    if let Ok(opened) = decrypt(&rust_crypto::PROVIDER, keys, &message) {
        assert!(opened.plaintext.len() + opened.padding < body.len());
    }
}
