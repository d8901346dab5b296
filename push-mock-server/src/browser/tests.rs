//! What the browsers are given, word for word.

use super::*;

fn reach() -> Reach {
    Reach {
        authority: "localhost:8030".to_owned(),
        has_clear_text: true,
        tls: Trust::Spki([7; 32]),
        public: "http://localhost:8030".parse().unwrap(),
    }
}

fn wish() -> BrowserWish {
    BrowserWish {
        space: "t1".parse().unwrap(),
        label: Some("phone & tablet".to_owned()),
        headless: true,
        as_root: true,
    }
}

fn pretty(setup: &BrowserSetup) -> String {
    serde_json::to_string_pretty(&setup.to_json()).unwrap()
}

#[test]
fn firefox_is_given_these_preferences() {
    insta::assert_snapshot!(pretty(&firefox(&reach(), &wish())));
}

#[test]
fn chromium_is_given_these_switches() {
    insta::assert_snapshot!(pretty(&chromium(&reach(), &wish()).unwrap()));
}

#[test]
fn nothing_is_said_about_label_window_and_sandbox_unless_it_is_wanted() {
    let plain = BrowserWish::default();

    let firefox = firefox(&reach(), &plain);
    assert_eq!(firefox.service, "ws://localhost:8030/ua/firefox/default");
    assert_eq!(firefox.args, ["--no-remote"]);
    let chromium = chromium(&reach(), &plain).unwrap();
    assert_eq!(chromium.service, "http://localhost:8030/ua/chromium/default/checkin");
    assert!(!chromium.args.iter().any(|arg| arg.contains("headless") || arg.contains("sandbox")));
}

#[test]
fn without_clear_text_everything_goes_over_tls() {
    let reach = Reach { has_clear_text: false, ..reach() };

    let firefox = firefox(&reach, &wish());
    assert!(firefox.service.starts_with("wss://localhost:8030/"));
    assert!(!firefox.prefs.iter().any(|(name, _)| name.contains("Insecure")));
    assert!(firefox.notes.iter().any(|note| note.contains("certutil")));
    let chromium = chromium(&reach, &wish()).unwrap();
    assert!(chromium.service.starts_with("https://localhost:8030/"));
}

#[test]
fn chromium_needs_a_certificate_that_it_can_be_told_to_trust() {
    let with = |tls| chromium(&Reach { tls, ..reach() }, &wish()).unwrap_err();

    assert_eq!(with(Trust::Files), BrowserError::UnknownKey);
    assert_eq!(with(Trust::Off), BrowserError::NoTls);
}

#[test]
fn the_service_is_reached_by_the_name_that_was_asked_for() {
    let urls = Urls {
        http: "http://localhost:8030".parse().ok(),
        https: "https://localhost:8030".parse().ok(),
        public: "https://push.test".parse().unwrap(),
    };
    let reach = Reach::of(&urls, Some([1; 32]));

    assert_eq!((reach.authority.as_str(), reach.tls), ("localhost:8030", Trust::Spki([1; 32])));
    assert_eq!(Reach::of(&urls, None).tls, Trust::Files);
    let asked = reach.as_asked(&"http://127.0.0.1".parse().unwrap(), false);
    assert_eq!(asked.authority, "127.0.0.1:80");
}

#[test]
fn clear_text_is_named_only_where_it_is_spoken() {
    let named = |origin: &str, tls, allow_clear_text| {
        let reach = Reach { tls, ..reach() };
        assert!(reach.has_clear_text);
        let asked = reach.as_asked(&origin.parse().unwrap(), allow_clear_text);
        firefox(&asked, &wish()).service.starts_with("ws://")
    };

    assert!(named("https://localhost:8030", Trust::Files, false));
    assert!(named("https://[::1]:8030", Trust::Files, false));
    assert!(!named("https://push.example:8030", Trust::Files, false));
    assert!(!named("https://192.0.2.1:8030", Trust::Spki([1; 32]), false));
    assert!(named("http://192.0.2.1:8030", Trust::Files, true));
    assert!(named("http://push.example:8030", Trust::Off, false));
}

#[test]
fn files_are_written_below_the_profile() {
    let profile = tempfile::tempdir().unwrap();

    chromium(&reach(), &wish()).unwrap().write_files(profile.path()).unwrap();

    let written = std::fs::read_to_string(profile.path().join("Default/Preferences")).unwrap();
    assert_eq!(written, CHROMIUM_PREFERENCES);
}
