//! The URL space as one enum: what a path names, before anything is looked up.
//!
//! Push resources are recognised in our own form and in the vendors', for any `Host`; the token alone names the
//! subscription. API and pages are told apart from the rest here and guarded elsewhere.

use std::borrow::Cow;

/// Least characters of a token that stands at the root, as Apple's do.
const ROOT_TOKEN: usize = 80;
/// In front of every token of Mozilla's form.
const MOZILLA_MARK: &str = "gAAAAA";
/// Between the random characters and the token of Google's form.
const GOOGLE_MARK: &str = ":APA91b";

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// `/api/…`
    Api,
    /// `/ua/chromium/{space}/checkin`, and `/checkin` as the vendor has it.
    CheckIn {
        /// As received; none: the default space.
        space: Option<&'a str>,
    },
    /// `/help/{code}`, also without a code.
    Help(&'a str),
    /// `/livez`
    Live,
    /// `/m/{token}`
    Message(&'a str),
    /// `/metrics`
    Metrics,
    /// A push resource.
    Push(PushPath<'a>),
    /// `/readyz`
    Ready,
    /// `/ua/chromium/{space}/register3`, and `/c2dm/register3` as the vendor has it.
    Register3 {
        /// As received; none: the default space.
        space: Option<&'a str>,
    },
    /// `/`
    Root,
    /// `/try` and what is below it, without the slash: the page that subscribes a browser.
    Try(&'a str),
    /// Nothing.
    Unknown,
}

/// A path of a push resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushPath<'a> {
    /// The push token, without what a vendor puts in front of it.
    pub(crate) token: Cow<'a, str>,
    /// True for a vendor's form.
    pub(crate) is_vendors: bool,
}

impl<'a> Place<'a> {
    /// What `path` (as received, not decoded) with `query` names.
    pub(crate) fn of(path: &'a str, query: Option<&'a str>) -> Self {
        match path {
            "/" => return Self::Root,
            "/livez" => return Self::Live,
            "/readyz" => return Self::Ready,
            "/metrics" => return Self::Metrics,
            "/checkin" => return Self::CheckIn { space: None },
            "/c2dm/register3" => return Self::Register3 { space: None },
            "/try" => return Self::Try(""),
            "/api" | "/help" => return if path == "/api" { Self::Api } else { Self::Help("") },
            _ => {}
        }
        if path.starts_with("/api/") {
            return Self::Api;
        }
        if let Some(code) = path.strip_prefix("/help/") {
            return Self::Help(code);
        }
        if let Some(token) = path.strip_prefix("/m/") {
            return Self::Message(token);
        }
        if let Some(below) = path.strip_prefix("/try/") {
            return Self::Try(below);
        }
        if let Some((space, what)) = path.strip_prefix("/ua/chromium/").and_then(|rest| rest.split_once('/'))
        {
            match what {
                "checkin" => return Self::CheckIn { space: Some(space) },
                "register3" => return Self::Register3 { space: Some(space) },
                _ => {}
            }
        }
        push_path(path, query).map_or(Self::Unknown, Self::Push)
    }

    /// True for what vendors have too: push resources and messages, and what browsers ask. The API and the pages are
    /// ours alone.
    pub(crate) const fn is_vendors(&self) -> bool {
        matches!(
            self,
            Self::CheckIn { .. } | Self::Message(_) | Self::Push(_) | Self::Register3 { .. } | Self::Unknown
        )
    }
}

fn push_path<'a>(path: &'a str, query: Option<&'a str>) -> Option<PushPath<'a>> {
    let own = |token: &'a str| PushPath { token: token.into(), is_vendors: false };
    let vendors = |token: Cow<'a, str>| PushPath { token, is_vendors: true };
    // Ours, and that of the page of 2016.
    if let Some(token) = ["/p/", "/push-service/send/"].iter().find_map(|prefix| path.strip_prefix(prefix)) {
        return Some(own(token));
    }
    if let Some(token) = ["/wpush/v1/", "/wpush/v2/"].iter().find_map(|prefix| path.strip_prefix(prefix)) {
        return Some(vendors(strip_mark(token, MOZILLA_MARK).into()));
    }
    if let Some(token) =
        ["/fcm/send/", "/wp/", "/preprod/wp/"].iter().find_map(|prefix| path.strip_prefix(prefix))
    {
        return Some(vendors(after_mark(token, GOOGLE_MARK).into()));
    }
    if path == "/w/" || path == "/w" {
        let token = query?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        return Some(vendors(percent_decoded(token)));
    }
    let segment = path.strip_prefix('/')?;
    let is_token = segment.len() >= ROOT_TOKEN
        && segment.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    is_token.then(|| vendors(segment.into()))
}

/// The token behind the mark. A token whose case was changed on its way keeps being found, so that the finding about
/// it can be made.
fn strip_mark<'a>(token: &'a str, mark: &str) -> &'a str {
    match (token.get(..mark.len()), token.get(mark.len()..)) {
        (Some(start), Some(rest)) if start.eq_ignore_ascii_case(mark) => rest,
        _ => token,
    }
}

/// The same, with characters in front of the mark that say nothing. The colon may have been percent-encoded.
fn after_mark<'a>(token: &'a str, mark: &str) -> &'a str {
    let behind_colon = token.split_once(':').map(|(_, rest)| rest);
    let behind_code = || {
        let at = token.as_bytes().windows(3).position(|window| window.eq_ignore_ascii_case(b"%3A"))?;
        token.get(at + 3..)
    };
    behind_colon.or_else(behind_code).map_or(token, |rest| strip_mark(rest, mark.trim_start_matches(':')))
}

/// Octets that are no UTF-8 become U+FFFD, which no token has.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        let code = (octet == b'%').then_some(behind).and_then(<[u8]>::first_chunk::<2>);
        match code.and_then(|code| Some((hex(code[0])? << 4) | hex(code[1])?)) {
            Some(decoded) => {
                octets.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(octet);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned().into()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(url: &str) -> Option<(String, bool)> {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        match Place::of(path, query) {
            Place::Push(push) => Some((push.token.into_owned(), push.is_vendors)),
            _ => None,
        }
    }

    #[test]
    fn push_resources_of_every_form_are_recognised() {
        let check = |url: &str, expected: &str, is_vendors| {
            assert_eq!(token(url), Some((expected.to_owned(), is_vendors)), "{url}");
        };
        let long = "A".repeat(80);

        check("/p/T0k-en_", "T0k-en_", false);
        check("/push-service/send/T0k", "T0k", false);
        check("/wpush/v1/gAAAAAT0k", "T0k", true);
        check("/wpush/v2/gAAAAAT0k", "T0k", true);
        check("/fcm/send/cQd3x_aBcDe:APA91bT0k", "T0k", true);
        check("/wp/cQd3x_aBcDe:APA91bT0k", "T0k", true);
        check("/preprod/wp/cQd3x_aBcDe:APA91bT0k", "T0k", true);
        check("/w/?token=T0k", "T0k", true);
        check("/w/?a=b&token=T0k%5F", "T0k_", true);
        check(&format!("/{long}"), &long, true);
    }

    #[test]
    fn damaged_tokens_are_passed_on_for_the_finding_about_them() {
        assert_eq!(token("/wpush/v2/gaaaaat0k"), Some(("t0k".into(), true)));
        assert_eq!(token("/wpush/v2/T0k"), Some(("T0k".into(), true)));
        assert_eq!(token("/fcm/send/x%3AAPA91bT0k"), Some(("T0k".into(), true)));
        assert_eq!(token("/fcm/send/T0k"), Some(("T0k".into(), true)));
        assert_eq!(token("/p/"), Some((String::new(), false)));
        assert_eq!(token("/p/a/b"), Some(("a/b".into(), false)));
    }

    #[test]
    fn other_paths_are_no_push_resources() {
        let below = "A".repeat(79);
        let dotted = format!("/{}.", "A".repeat(80));
        for url in
            ["/", "/p", "/w/", "/w/?x=T", "/wpush/v3/x", "/favicon.ico", &format!("/{below}"), &dotted, ""]
        {
            assert_eq!(token(url), None, "{url}");
        }
    }

    #[test]
    fn everything_else_has_its_place() {
        for (path, place) in [
            ("/", Place::Root),
            ("/api", Place::Api),
            ("/api/v1/info", Place::Api),
            ("/apiary", Place::Unknown),
            ("/help/vapid/aud-mismatch", Place::Help("vapid/aud-mismatch")),
            ("/help", Place::Help("")),
            ("/m/abc", Place::Message("abc")),
            ("/try", Place::Try("")),
            ("/try/worker.js", Place::Try("worker.js")),
            ("/tryst", Place::Unknown),
            ("/checkin", Place::CheckIn { space: None }),
            ("/c2dm/register3", Place::Register3 { space: None }),
            ("/ua/chromium/t1/checkin", Place::CheckIn { space: Some("t1") }),
            ("/ua/chromium/t1/register3", Place::Register3 { space: Some("t1") }),
            ("/ua/chromium/t1/other", Place::Unknown),
            ("/ua/chromium/t1", Place::Unknown),
            ("/ua/firefox/t1", Place::Unknown),
            ("/livez", Place::Live),
            ("/readyz", Place::Ready),
            ("/metrics", Place::Metrics),
        ] {
            assert_eq!(Place::of(path, None), place);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_has_a_place(path in "/?.*", query in proptest::option::of(".*")) {
            Place::of(&path, query.as_deref());
        }

        #[test]
        fn percent_encoding_is_undone(text in ".*") {
            let encoded: String = text.bytes().map(|octet| format!("%{octet:02X}")).collect();
            proptest::prop_assert_eq!(percent_decoded(&encoded), text);
        }
    }

    #[test]
    fn percent_codes_are_read_and_broken_ones_kept() {
        for (text, expected) in
            [("a%20b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%e2%82%ac", "€")]
        {
            assert_eq!(percent_decoded(text), expected);
        }
    }
}
