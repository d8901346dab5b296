//! What a stock browser is started with so that its push connection ends here: preferences, switches, files.
//!
//! Pure: nothing is started, no file is read. The API, `push browser` and the test harness all take it from here.
//! Which preference is needed for what stands beside it; without trust or permission a browser fails in silence.

mod error;
mod setup;

pub use error::BrowserError;
pub use setup::{BrowserSetup, Preference};

use std::fmt::Write as _;

use base64ct::{Base64, Encoding as _};
use push_crypto::Origin;

use crate::{service::spaces::Urls, space::SpaceName};

/// A kind of browser that can be wired to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Chromium, Chrome and whatever has their push client.
    Chromium,
    /// Firefox, release or ESR.
    Firefox,
}

impl Browser {
    /// Both, in the order in which they are documented.
    pub const ALL: [Self; 2] = [Self::Firefox, Self::Chromium];

    /// `chromium` or `firefox`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        }
    }

    /// What a browser of this kind is started with.
    ///
    /// # Errors
    /// [`BrowserError`] when the service speaks nothing that the browser could trust.
    pub fn setup(self, reach: &Reach, wish: &BrowserWish) -> Result<BrowserSetup, BrowserError> {
        match self {
            Self::Chromium => chromium(reach, wish),
            Self::Firefox => Ok(firefox(reach, wish)),
        }
    }
}

/// How the service is reached by a browser: one name and port for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Host and port, e.g. `localhost:8030`.
    pub authority: String,
    /// True when clear text is spoken there.
    pub has_clear_text: bool,
    /// TLS, as far as browsers are concerned.
    pub tls: Trust,
    /// Origin of push resources.
    pub public: Origin,
}

/// What a browser needs to trust the service's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The certificate comes from files, and its key is not known here.
    Files,
    /// No TLS is spoken.
    Off,
    /// SHA-256 of the SubjectPublicKeyInfo that every certificate of the local authority has.
    Spki([u8; 32]),
}

impl Reach {
    /// By the names under which the service knows itself.
    #[must_use]
    pub fn of(urls: &Urls, spki: Option<[u8; 32]>) -> Self {
        let tls = match (&urls.https, spki) {
            (None, _) => Trust::Off,
            (Some(_), None) => Trust::Files,
            (Some(_), Some(digest)) => Trust::Spki(digest),
        };
        let local = urls.http.as_ref().or(urls.https.as_ref()).unwrap_or(&urls.public);
        Self {
            authority: with_port(local),
            has_clear_text: urls.http.is_some(),
            tls,
            public: urls.public.clone(),
        }
    }

    /// The same, by the name and port under which somebody asked: from elsewhere clear text is only spoken where it
    /// is allowed beyond this machine, or where nothing else is spoken.
    #[must_use]
    pub fn as_asked(self, origin: &Origin, allow_clear_text: bool) -> Self {
        let is_heard = origin.is_loopback() || allow_clear_text || self.tls == Trust::Off;
        Self { authority: with_port(origin), has_clear_text: self.has_clear_text && is_heard, ..self }
    }
}

/// Host and port, the port also where it is the scheme's own: one port speaks both.
fn with_port(origin: &Origin) -> String {
    format!("{}:{}", origin.host(), origin.port())
}

/// What is wanted of a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrowserWish {
    /// Where its subscriptions appear.
    pub space: SpaceName,
    /// Name of its user agent; none: a free one such as `firefox-1`.
    pub label: Option<String>,
    /// No window.
    pub headless: bool,
    /// Started by the superuser, whom Chromium's sandbox refuses.
    pub as_root: bool,
}

/// What Firefox is started with: preferences, as `user.js` has them (AP-060).
///
/// ```
/// use push_mock_server::browser::{self, BrowserWish, Reach, Trust};
///
/// let reach = Reach {
///     authority: "localhost:8030".into(),
///     has_clear_text: true,
///     tls: Trust::Off,
///     public: "http://localhost:8030".parse().unwrap(),
/// };
/// let setup = browser::firefox(&reach, &BrowserWish::default());
/// assert_eq!(setup.prefs[0].0, "dom.push.serverURL");
/// assert!(setup.files[0].1.contains("ws://localhost:8030/ua/firefox/default"));
/// ```
#[must_use]
pub fn firefox(reach: &Reach, wish: &BrowserWish) -> BrowserSetup {
    let scheme = if reach.has_clear_text { "ws" } else { "wss" };
    let service = format!(
        "{scheme}://{}/ua/firefox/{}{}",
        reach.authority,
        encoded(wish.space.as_str()),
        label_query(wish)
    );
    let mut prefs = vec![("dom.push.serverURL", Preference::Text(service.clone()))];
    if reach.has_clear_text {
        // Asked for only where ws:// is named; it is no declared preference of the browser.
        prefs.push(("dom.push.testing.allowInsecureServerURL", Preference::Truth(true)));
    }
    prefs.extend(FIREFOX_NEEDED.iter().chain(&FIREFOX_QUIET).cloned());
    let mut notes =
        vec!["wire it before the browser starts, and start the service before the browser".to_owned()];
    if !reach.has_clear_text {
        notes.push(
            "the service speaks TLS only: put its CA (push ca --path) into the profile before the start, or nothing \
             arrives: certutil -N -d sql:PROFILE --empty-password; certutil -A -d sql:PROFILE -n push -t C,, -i CA"
                .to_owned(),
        );
    }
    let mut args = vec!["--no-remote".to_owned()];
    if wish.headless {
        args.extend(["--headless", "--remote-debugging-port", "0"].map(str::to_owned));
        notes.push(
            "without a window a URL on the command line is not loaded reliably: open the page through WebDriver \
             BiDi, on the port in WebDriverBiDiServer.json of the profile"
                .to_owned(),
        );
    }
    let user_js = user_js(&prefs);
    BrowserSetup {
        browser: Browser::Firefox,
        service,
        prefs: prefs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        args,
        files: vec![("user.js".to_owned(), user_js)],
        env: Vec::new(),
        endpoint_origins: vec![reach.public.to_string()],
        notes,
    }
}

/// Without the first two pages cannot subscribe at all; the rest keeps long test runs alive.
static FIREFOX_NEEDED: [(&str, Preference); 5] = [
    // Every automation driver switches push off.
    ("dom.push.connection.enabled", Preference::Truth(true)),
    // Else `subscribe()` waits for a question that nobody sees.
    ("permissions.default.desktop-notification", Preference::Number(1)),
    // 16 pushes without a notification end a subscription.
    ("dom.push.maxQuotaPerSubscription", Preference::Number(100_000)),
    // Without a desktop `showNotification()` is rejected by the system's own service.
    ("alerts.useSystemBackend", Preference::Truth(false)),
    // Milliseconds; 5000 of a stock browser make every reconnect slow.
    ("dom.push.retryBaseInterval", Preference::Number(300)),
];

/// First-run pages which a fresh profile would show over the page that is meant.
static FIREFOX_QUIET: [(&str, Preference); 7] = [
    ("browser.aboutwelcome.enabled", Preference::Truth(false)),
    ("browser.preonboarding.enabled", Preference::Truth(false)),
    ("browser.shell.checkDefaultBrowser", Preference::Truth(false)),
    ("browser.startup.page", Preference::Number(0)),
    ("browser.tabs.warnOnClose", Preference::Truth(false)),
    ("datareporting.policy.dataSubmissionEnabled", Preference::Truth(false)),
    ("termsofuse.bypassNotification", Preference::Truth(true)),
];

fn user_js(prefs: &[(&str, Preference)]) -> String {
    let mut text = String::new();
    for (name, value) in prefs {
        let _ = writeln!(text, "user_pref(\"{name}\", {});", value.to_literal());
    }
    text
}

/// What Chromium is started with: switches, and the file that grants notifications (GCM-022).
///
/// # Errors
/// [`BrowserError`]: its push connection always speaks TLS, and it has to trust the certificate.
pub fn chromium(reach: &Reach, wish: &BrowserWish) -> Result<BrowserSetup, BrowserError> {
    let spki = match reach.tls {
        Trust::Spki(digest) => Base64::encode_string(&digest),
        Trust::Files => return Err(BrowserError::UnknownKey),
        Trust::Off => return Err(BrowserError::NoTls),
    };
    let scheme = if reach.has_clear_text { "http" } else { "https" };
    let base = format!("{scheme}://{}/ua/chromium/{}", reach.authority, encoded(wish.space.as_str()));
    let query = label_query(wish);
    let mut args = vec![
        format!("--gcm-checkin-url={base}/checkin{query}"),
        format!("--gcm-registration-url={base}/register3{query}"),
        // TLS whatever the scheme says.
        format!("--gcm-mcs-endpoint=https://{}", reach.authority),
        format!("--ignore-certificate-errors-spki-list={spki}"),
    ];
    args.extend(
        ["--password-store=basic", "--no-first-run", "--no-default-browser-check"].map(str::to_owned),
    );
    if wish.headless {
        args.push("--headless=new".to_owned());
    }
    if wish.as_root {
        args.push("--no-sandbox".to_owned());
    }
    let notes = [
        "give it a profile of its own with --user-data-dir, and put the files there before the first start: the \
         certificate's key is trusted only so, and a permission which a driver grants is lost at a restart",
        "endpoints have a fixed origin of the build; send through push env --intercept, or to the local form in \
         endpoints of GET /api/v1/subscriptions",
        "use the full browser: chromium-headless-shell has no push service, and an incognito context is refused",
    ];
    Ok(BrowserSetup {
        browser: Browser::Chromium,
        service: format!("{base}/checkin{query}"),
        prefs: Vec::new(),
        args,
        files: vec![("Default/Preferences".to_owned(), CHROMIUM_PREFERENCES.to_owned())],
        env: Vec::new(),
        endpoint_origins: CHROMIUM_ORIGINS.map(str::to_owned).to_vec(),
        notes: notes.map(str::to_owned).to_vec(),
    })
}

/// Notifications are allowed everywhere; without it `subscribe()` is refused.
const CHROMIUM_PREFERENCES: &str = r#"{"profile":{"default_content_setting_values":{"notifications":1}}}"#;
/// Origins of endpoints: of stable builds, and of the others.
const CHROMIUM_ORIGINS: [&str; 2] = ["https://fcm.googleapis.com", "https://jmt17.google.com"];

fn label_query(wish: &BrowserWish) -> String {
    wish.label.as_deref().map(|label| format!("?label={}", encoded(label))).unwrap_or_default()
}

/// Percent-encoded but for what is unreserved (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// True when this process belongs to the superuser, for [`BrowserWish::as_root`]; only Linux has the sandbox that
/// minds.
#[must_use]
pub fn runs_as_root() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(test)]
mod tests;
