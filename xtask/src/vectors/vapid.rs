//! `kind: vapid`: whole requests, judged as a push service judges them.

use core::time::Duration;

use push_crypto::{
    PrivateKey, Timestamp,
    provider::CryptoProvider,
    vapid::{UnverifiedToken, VapidKey, VapidPublicKey, Verified, VerifyRequest, read_authorization, verify},
};
use serde_json::Value;

use super::{
    Outcomes,
    case::{Case, Stop, judge},
    with_each_provider,
};

pub(super) fn check(case: &Case<'_>) -> Outcomes {
    let case = *case;
    with_each_provider(|provider| {
        judge(case.error(), receive(case, provider), |(verified, claims)| {
            let expected =
                case.value("claims").ok_or("cannot be judged: neither \"claims\" nor \"error\"")?;
            if *expected != claims {
                return Err(format!("expected the claims {expected}, came {claims}"));
            }
            check_key(case, provider, &verified)
        })
    })
}

fn receive(case: Case<'_>, provider: &CryptoProvider) -> Result<(Verified, Value), Stop> {
    let authorization = case.lines("Authorization")?;
    let &[authorization] = authorization.as_slice() else {
        return Err(Stop::refused(format!("there are {} Authorization fields", authorization.len())));
    };
    let crypto_key = case.lines("Crypto-Key")?;
    let origin = case.needed_text("origin")?.parse();
    let origin = origin.map_err(|error| Stop::unclear(format!("\"origin\": {error}")))?;
    let now = case.number("now")?.ok_or_else(|| Stop::unclear("\"now\" is missing"))?;
    let restricted_to = match case.text("restricted_to")? {
        None => None,
        Some(text) => match VapidPublicKey::from_text(text) {
            Ok((key, _)) => Some(key),
            Err(error) => return Err(Stop::unclear(format!("\"restricted_to\": {error}"))),
        },
    };
    let request = VerifyRequest {
        authorization,
        crypto_key: &crypto_key,
        origins: &[origin],
        now: Timestamp::from_unix_seconds(now),
        skew: Duration::ZERO,
        restricted_to: restricted_to.as_ref(),
    };
    let verified =
        verify(provider, &request).map_err(|error| Stop::refused(format!("{} ({error})", error.code())))?;
    // It was just read, so it can be read again.
    let credentials = read_authorization(authorization, &crypto_key).map_err(Stop::refused)?;
    let token = UnverifiedToken::parse(&credentials.token).map_err(Stop::refused)?;
    let claims = serde_json::from_str(&token.claims_json()).map_err(Stop::refused)?;
    Ok((verified, claims))
}

/// Where the file gives the private key, it must be the one whose public half the request carries.
fn check_key(case: Case<'_>, provider: &CryptoProvider, verified: &Verified) -> Result<(), String> {
    let Some(key) = case.object("key") else { return Ok(()) };
    let private = match key.octets("private") {
        Ok(None) => return Ok(()),
        Ok(Some(octets)) => PrivateKey::from_octets(&octets).map_err(|error| error.to_string())?,
        Err(Stop::Refused(why) | Stop::Unclear(why)) => return Err(why),
    };
    let key = VapidKey::from_private(provider, private).map_err(|error| error.to_string())?;
    if *key.public() == verified.key {
        Ok(())
    } else {
        let expected = key.public().to_base64url();
        Err(format!("expected the key {expected}, came {}", verified.key.to_base64url()))
    }
}
