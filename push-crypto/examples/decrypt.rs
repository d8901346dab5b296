//! How do I read what arrived for a subscription whose private key I hold? Shown with the message of RFC 8291 §5.
//!
//! `cargo run -p push-crypto --example decrypt`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use push_crypto::{
    AuthSecret, ContentCoding, Encrypted, HeaderFields, PrivateKey, UserAgentKeys, base64url,
    coding::explain, provider::rust_crypto::PROVIDER,
};

const PRIVATE_KEY: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc\
                    InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLV\
                    WGNWQexSgSxsj_Qulcy4a-fN";

fn main() -> Result<(), Box<dyn Error>> {
    let private = PrivateKey::from_octets(&base64url::decode(PRIVATE_KEY)?)?;
    let auth = AuthSecret::from_octets(&base64url::decode(AUTH)?)?;
    let keys = UserAgentKeys::new(&PROVIDER, private, Some(auth))?;

    let body = base64url::decode(BODY)?;
    for part in explain::parts(ContentCoding::Aes128gcm, 0, &body) {
        println!("{:>4} {:<7} {:>4} octets  {}", part.at, part.name, part.octets, part.meaning);
    }

    // The older codings need the lines of Encryption and Crypto-Key here.
    let message = Encrypted::read(ContentCoding::Aes128gcm, &HeaderFields::default(), body)?;
    let opened = push_crypto::decrypt(&PROVIDER, &keys, &message)?;

    println!("\n{}", String::from_utf8_lossy(&opened.plaintext));
    Ok(())
}
