//! VAPID tokens: one per origin and key, made when first needed and kept until shortly before it lapses (AS-029).

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use push_crypto::{
    Origin, PublicKey, Timestamp,
    vapid::{AuthorizationFields, AuthorizationScheme, Claims, Subject, Token, VapidSigner},
};

use super::request::secret;

/// Most origins whose tokens are kept (our choice: more than there are push services).
const ORIGINS: usize = 4096;

/// The tokens of all origins.
#[derive(Debug)]
pub struct Tokens {
    life: Duration,
    margin: Duration,
    by_origin: HashMap<Origin, OfOrigin>,
}

/// The tokens of one origin.
#[derive(Debug, Default)]
pub(crate) struct OfOrigin {
    /// What the push service's clock was ahead of ours or behind it, when it said so.
    skew: Skew,
    tokens: Vec<Cached>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Skew {
    ahead: Duration,
    behind: Duration,
}

struct Cached {
    key: PublicKey,
    expires: Timestamp,
    vapid: Written,
    web_push: Written,
}

/// The fields of a token in one scheme, and the value of `Authorization` as requests take it.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) fields: Arc<AuthorizationFields>,
    pub(crate) value: HeaderValue,
}

/// Whose token it is, and how it is made.
#[derive(Clone, Copy)]
pub(crate) struct Signing<'a> {
    pub(crate) signer: &'a dyn VapidSigner,
    pub(crate) subject: Option<&'a Subject>,
    pub(crate) scheme: AuthorizationScheme,
    pub(crate) life: Duration,
    pub(crate) margin: Duration,
}

impl Tokens {
    /// Tokens that live so long, and are renewed `margin` before they lapse.
    #[must_use]
    pub fn new(life: Duration, margin: Duration) -> Self {
        Self { life, margin, by_origin: HashMap::new() }
    }

    /// The fields that identify this signer to this origin, from the cache or newly signed.
    ///
    /// # Errors
    /// [`TokenNotMade`] when the signer fails, or no legal token has this life and subject.
    pub fn authorization(
        &mut self,
        signer: &dyn VapidSigner,
        subject: Option<&Subject>,
        origin: &Origin,
        scheme: AuthorizationScheme,
        now: Timestamp,
    ) -> Result<Arc<AuthorizationFields>, TokenNotMade> {
        self.make_room(origin);
        let signing = Signing { signer, subject, scheme, life: self.life, margin: self.margin };
        let of_origin = self.by_origin.entry(origin.clone()).or_default();
        of_origin.authorization(signing, origin, now).map(|written| written.fields)
    }

    /// Throws the tokens of this origin away and makes the next ones for its own time, which it gave as `theirs`.
    pub fn adjust(&mut self, origin: &Origin, theirs: Timestamp, now: Timestamp) {
        self.make_room(origin);
        self.by_origin.entry(origin.clone()).or_default().adjust(theirs, now);
    }

    fn make_room(&mut self, origin: &Origin) {
        if self.by_origin.len() >= ORIGINS && !self.by_origin.contains_key(origin) {
            self.by_origin.clear();
        }
    }
}

impl OfOrigin {
    pub(crate) fn authorization(
        &mut self,
        signing: Signing<'_>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Written, TokenNotMade> {
        let now = self.skew.apply(now);
        let key = signing.signer.public_key().point();
        let usable = |cached: &&Cached| cached.key == *key && is_usable(cached.expires, now, signing.margin);
        if let Some(cached) = self.tokens.iter().find(usable) {
            return Ok(cached.written(signing.scheme));
        }
        let cached = Cached::sign(signing, origin, now)?;
        let written = cached.written(signing.scheme);
        self.tokens.retain(|old| old.key != *key);
        self.tokens.push(cached);
        Ok(written)
    }

    pub(crate) fn adjust(&mut self, theirs: Timestamp, now: Timestamp) {
        self.tokens.clear();
        self.skew = Skew { ahead: theirs.since(now), behind: now.since(theirs) };
    }
}

/// Lives on for longer than the margin, and not over 24 h by a clock that was stepped back (AS-021).
fn is_usable(expires: Timestamp, now: Timestamp, margin: Duration) -> bool {
    now.after(margin) < expires && expires <= now.after(Claims::LONGEST.saturating_sub(margin))
}

impl Skew {
    fn apply(self, now: Timestamp) -> Timestamp {
        now.after(self.ahead).before(self.behind)
    }
}

impl Cached {
    fn sign(signing: Signing<'_>, origin: &Origin, now: Timestamp) -> Result<Self, TokenNotMade> {
        let Signing { signer, subject, life, .. } = signing;
        let claims = Claims::new(origin.clone(), now, life, subject.cloned()).map_err(|_| TokenNotMade)?;
        let token = Token::sign_with(signer, &claims).map_err(|_| TokenNotMade)?;
        let key = signer.public_key();
        let write = |scheme| Written::new(token.authorization(scheme, key));
        Ok(Self {
            key: *key.point(),
            expires: token.expires(),
            vapid: write(AuthorizationScheme::Vapid)?,
            web_push: write(AuthorizationScheme::WebPush)?,
        })
    }

    fn written(&self, scheme: AuthorizationScheme) -> Written {
        match scheme {
            AuthorizationScheme::Vapid => self.vapid.clone(),
            AuthorizationScheme::WebPush => self.web_push.clone(),
        }
    }
}

impl Written {
    fn new(fields: AuthorizationFields) -> Result<Self, TokenNotMade> {
        let value = secret(&fields.authorization).map_err(|_| TokenNotMade)?;
        Ok(Self { fields: Arc::new(fields), value })
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({:?}, until {})", self.key, self.expires)
    }
}

/// The signer failed, or the token would not be legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenNotMade;

impl fmt::Display for TokenNotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no VAPID token could be made; the signer failed, or the token's life is not between 1 s and 24 h",
        )
    }
}

impl std::error::Error for TokenNotMade {}

#[cfg(test)]
mod tests {
    use push_crypto::{
        provider::rust_crypto::PROVIDER,
        vapid::{LocalSigner, UnverifiedToken, VapidKey},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn signer() -> LocalSigner {
        LocalSigner::new(PROVIDER, VapidKey::generate(&PROVIDER).unwrap())
    }

    fn tokens() -> Tokens {
        Tokens::new(12 * HOUR, Duration::from_secs(600))
    }

    fn at(tokens: &mut Tokens, signer: &LocalSigner, origin: &str, now: Timestamp) -> String {
        let origin = origin.parse().unwrap();
        tokens
            .authorization(signer, None, &origin, AuthorizationScheme::Vapid, now)
            .unwrap()
            .authorization
            .clone()
    }

    fn token(authorization: &str) -> UnverifiedToken {
        let text = authorization.strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
        UnverifiedToken::parse(text).unwrap()
    }

    /// AS-019, AS-020, T9: a token is made out to one origin only.
    #[test]
    fn each_origin_and_each_key_has_its_own_token() {
        let (mut tokens, one, two) = (tokens(), signer(), signer());

        let a = at(&mut tokens, &one, "https://a.example", NOW);
        let b = at(&mut tokens, &one, "https://b.example:8443", NOW);
        let c = at(&mut tokens, &two, "https://a.example", NOW);

        assert!(a != b && a != c);
        assert_eq!(token(&a).audiences(), ["https://a.example"]);
        assert_eq!(token(&b).audiences(), ["https://b.example:8443"]);
        assert_eq!(
            token(&a).exp(),
            push_crypto::vapid::Expiry::Seconds(NOW.after(12 * HOUR).as_unix_seconds())
        );
        assert_eq!(at(&mut tokens, &one, "https://a.example", NOW), a);
        assert_eq!(at(&mut tokens, &two, "https://a.example", NOW), c);
    }

    /// AS-021, AS-029: kept for 12 h less 10 min, and thrown away when the clock steps far back.
    #[test]
    fn a_token_is_renewed_before_it_lapses_and_when_the_clock_steps_back() {
        let (mut tokens, signer) = (tokens(), signer());
        let first = at(&mut tokens, &signer, "https://a.example", NOW);
        let same = |tokens: &mut Tokens, now| at(tokens, &signer, "https://a.example", now) == first;

        assert!(same(&mut tokens, NOW.after(Duration::from_secs(12 * 3600 - 601))));
        assert!(same(&mut tokens, NOW.before(HOUR)));
        assert!(same(&mut tokens, NOW.before(Duration::from_secs(12 * 3600 - 600))));
        let early =
            at(&mut tokens, &signer, "https://a.example", NOW.before(Duration::from_secs(12 * 3600 - 599)));
        assert_ne!(early, first);
        let late =
            at(&mut tokens, &signer, "https://a.example", NOW.after(Duration::from_secs(12 * 3600 - 600)));
        assert_ne!(late, first);
    }

    /// T10: any clock, and no token beyond 24 h of the push service's time.
    #[test]
    fn a_token_follows_the_clock_of_the_push_service() {
        let year = 365 * 24 * HOUR;
        for theirs in [NOW.after(HOUR), NOW.before(24 * HOUR), NOW.after(10 * year), NOW.before(10 * year)] {
            let (mut tokens, signer) = (tokens(), signer());
            let before = at(&mut tokens, &signer, "https://a.example", NOW);

            tokens.adjust(&"https://a.example".parse().unwrap(), theirs, NOW);
            let after = at(&mut tokens, &signer, "https://a.example", NOW);

            assert_ne!(before, after);
            let push_crypto::vapid::Expiry::Seconds(exp) = token(&after).exp() else { panic!() };
            assert_eq!(exp, theirs.after(12 * HOUR).as_unix_seconds());
            assert_eq!(at(&mut tokens, &signer, "https://a.example", NOW), after);
        }
    }

    #[test]
    fn an_illegal_life_gives_no_token() {
        let origin = "https://a.example".parse().unwrap();
        let make = |life| {
            Tokens::new(life, Duration::ZERO)
                .authorization(&signer(), None, &origin, AuthorizationScheme::Vapid, NOW)
                .is_ok()
        };

        assert!(make(24 * HOUR));
        assert!(!make(24 * HOUR + Duration::from_secs(1)));
        assert!(!make(Duration::ZERO));
    }

    /// AS-023: even the longest subject and host leave the token under 2 KiB.
    #[test]
    fn a_token_stays_small() {
        let label = "x".repeat(61);
        let origin = format!("https://{}:8443", [label.as_str(); 4].join(".")).parse().unwrap();
        let longest = (0..4096)
            .rev()
            .find_map(|octets| format!("https://a.example/{}", "x".repeat(octets)).parse::<Subject>().ok());

        let made = tokens()
            .authorization(&signer(), longest.as_ref(), &origin, AuthorizationScheme::Vapid, NOW)
            .unwrap();

        let token = made.authorization.strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
        assert!((500..=2048).contains(&token.len()), "{}", token.len());
    }

    #[test]
    fn tokens_are_unprintable() {
        let (mut tokens, signer) = (tokens(), signer());
        let authorization = at(&mut tokens, &signer, "https://a.example", NOW);

        let printed = format!("{tokens:?}");

        assert!(!printed.contains(authorization.get(8..40).unwrap()), "{printed}");
    }
}
