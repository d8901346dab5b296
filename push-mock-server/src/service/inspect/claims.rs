//! The claims of a VAPID token: `aud`, `exp`, `nbf`, `sub` (RFC 8292 §2).

use core::time::Duration;

use push_crypto::{
    Origin, Timestamp,
    vapid::{AudienceProblem, Claims, Expiry, ExpiryProblem, Subject, UnverifiedToken},
};

use super::{Case, Target, report::shown};
use crate::service::finding::VapidView;

/// How near to 24 hours is too near: clocks are off by minutes.
const NEAR: Duration = Duration::from_secs(5 * 60);

impl Case<'_> {
    pub(super) fn check_claims(
        &mut self,
        token: &UnverifiedToken,
        digest: Option<&[u8; 32]>,
        view: &mut VapidView,
    ) {
        let audiences = token.audiences();
        view.aud = (!audiences.is_empty()).then(|| audiences.join(" "));
        view.sub = token.sub().map(str::to_owned);
        if let Expiry::Seconds(seconds) = token.exp() {
            view.exp = Some(Timestamp::from_unix_seconds(seconds));
        }
        self.audience(token, digest);
        self.expiry(token);
        self.contact(token);
    }

    /// The origins that `aud` may name: those of the subscription, and that of the request as received.
    fn origins(&self) -> Vec<Origin> {
        let mut origins = match self.target {
            Target::Known(subject) => subject.origins.to_vec(),
            Target::Altered | Target::Unknown => Vec::new(),
        };
        origins.extend(self.request.origin.clone().filter(|origin| !origins.contains(origin)));
        origins
    }

    fn audience(&mut self, token: &UnverifiedToken, digest: Option<&[u8; 32]>) {
        let place = "header:authorization#aud";
        let origins = self.origins();
        // A request without a usable origin (no Host) to an unknown resource: there is nothing to compare with.
        if origins.is_empty() && !token.audiences().is_empty() {
            return;
        }
        let Err(problem) = token.check_audience(&origins) else { return };
        let aud = token.audiences().join(" ");
        let expected =
            origins.first().map_or_else(|| "the origin of the endpoint".to_owned(), Origin::to_string);
        let code = match problem {
            // Another port is another service; only a port that is left out is forgiven.
            AudienceProblem::Port if !token.audiences().iter().any(|aud| names_no_port(aud)) => {
                "vapid/aud-mismatch"
            }
            _ => problem.code(),
        };
        let seen = match digest.and_then(|digest| self.recall.token_used_for(digest)) {
            _ if aud.is_empty() => "no aud".to_owned(),
            Some(origin) if code == "vapid/aud-mismatch" => {
                format!("{}; this very token was used for {} before", shown(&aud), shown(&origin))
            }
            _ => shown(&aud),
        };
        self.report.add(code, place, seen, expected);
    }

    fn expiry(&mut self, token: &UnverifiedToken) {
        let (place, expected) =
            ("header:authorization#exp", "seconds since 1970, at most 24 h ahead; 12 h is usual");
        let skew = if self.settings.strict { Duration::ZERO } else { self.settings.vapid_skew };
        match token.check_expiry(self.vapid_now, skew) {
            Ok(validity) => {
                let ahead = validity.expires.since(self.vapid_now);
                if validity.by_tolerance {
                    let seen = if ahead.is_zero() {
                        format!("expired {} ago", span(self.vapid_now.since(validity.expires)))
                    } else {
                        format!("{} ahead", span(ahead))
                    };
                    self.report.add("vapid/exp-skew", place, seen, expected);
                } else if ahead > Claims::LONGEST.saturating_sub(NEAR) {
                    let seen = format!("{} ahead", span(ahead));
                    self.report.add("vapid/exp-near-limit", place, seen, "12 h ahead");
                }
            }
            Err(problem) => {
                let seen = match problem {
                    ExpiryProblem::Missing => "no exp".to_owned(),
                    ExpiryProblem::Past { by } => format!("expired {} ago", span(by)),
                    ExpiryProblem::TooFar { by } => format!("{} ahead", span(by)),
                    _ => shown(&token.exp().to_string()),
                };
                self.report.add(problem.code(), place, seen, expected);
            }
        }
        let now = self.vapid_now.as_unix_seconds();
        if let Some(nbf) = token.nbf().filter(|nbf| *nbf > now) {
            let seen = format!("valid in {}", span(Duration::from_secs(nbf - now)));
            self.report.add("vapid/nbf-future", "header:authorization#nbf", seen, "no nbf");
        }
    }

    fn contact(&mut self, token: &UnverifiedToken) {
        let (place, expected) =
            ("header:authorization#sub", "mailto:you@yourdomain.example or an https: URL");
        let Some(sub) = token.sub() else {
            if token.sub_is_not_text() {
                self.report.add("vapid/sub-not-contact", place, "a sub that is no text", expected);
            } else {
                self.report.add("vapid/sub-missing", place, "no sub", expected);
            }
            return;
        };
        let code = match sub.parse::<Subject>() {
            Ok(subject) => subject.remark().map(push_crypto::vapid::SubjectRemark::code),
            Err(error) => Some(error.code()),
        };
        if let Some(code) = code {
            let seen = if sub.is_empty() { "an empty sub".to_owned() } else { shown(sub) };
            self.report.add(code, place, seen, expected);
        }
    }
}

/// True when the text behind `://` has no port.
fn names_no_port(audience: &str) -> bool {
    let authority = audience.split_once("://").map_or("", |(_, rest)| rest);
    let port = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    !port.contains(':')
}

/// `45 s`, `12 min`, `11 h 59 min`, `7 d 2 h`: the two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, name) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}
