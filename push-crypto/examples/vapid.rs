//! How do I identify my application server to a push service?
//!
//! `cargo run -p push-crypto --example vapid -- https://push.example.net/p/token mailto:you@yourdomain.example`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::disallowed_methods, reason = "a program of its own reads the clock")]

use std::{
    env,
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use push_crypto::{
    PushResource, Timestamp,
    provider::rust_crypto::PROVIDER,
    vapid::{AuthorizationScheme, Claims, PemKind, Subject, Token, VapidKey, VerifyRequest, verify},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let endpoint = arguments.next().unwrap_or_else(|| "https://push.example.net/p/token".to_owned());
    let contact = arguments.next().unwrap_or_else(|| "mailto:you@yourdomain.example".to_owned());
    let (endpoint, contact): (PushResource, Subject) = (endpoint.parse()?, contact.parse()?);

    // Made once and kept: subscriptions are bound to this key. `VapidKey::import` reads what was kept.
    let key = VapidKey::generate(&PROVIDER)?;
    let (key, _) = VapidKey::import(&PROVIDER, key.to_pem(PemKind::Pkcs8).as_bytes())?;
    println!("applicationServerKey: {}", key.public().to_base64url());

    // One token serves all subscriptions of a push service for 12 hours.
    let now = Timestamp::from_unix_seconds(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let claims = Claims::new(endpoint.origin().clone(), now, Claims::USUAL, Some(contact))?;
    let token = Token::sign(&PROVIDER, &key, &claims)?;
    let fields = token.authorization(AuthorizationScheme::Vapid, key.public());
    println!("authorization: {}", fields.authorization);

    // What the push service does with it.
    let verified = verify(
        &PROVIDER,
        &VerifyRequest {
            authorization: &fields.authorization,
            crypto_key: &[],
            origins: &[endpoint.origin().clone()],
            now,
            skew: Duration::ZERO,
            restricted_to: Some(key.public()),
        },
    )?;
    println!("valid for {} until {}", verified.audience, verified.expires);
    Ok(())
}
