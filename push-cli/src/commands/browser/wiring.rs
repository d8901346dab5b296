//! What the browser is started with: made here, so that whoever answers at the service's address decides neither
//! switches nor files nor variables of a program which runs with this user's rights.

use push_crypto::{Origin, Scheme};
use push_mock_server::{
    SpaceName,
    browser::{self, BrowserWish, Reach, Trust, runs_as_root},
    service::subscription::check_label,
};
use serde_json::Value;

use super::{BrowserArgs, Kind};
use crate::{
    api::Api,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::member,
    text,
};

/// The object of `GET /api/v1/browsers/{kind}`, made from the few facts of the service that it depends on.
pub(super) async fn setup(api: &Api, args: &BrowserArgs, label: Option<&str>) -> Result<Value> {
    let wish = BrowserWish {
        space: space(api)?,
        label: label.map(checked).transpose()?.map(str::to_owned),
        headless: args.headless,
        as_root: runs_as_root(),
    };
    let info = api.get("/info", &[]).await?;
    let reach = reach(&info, api.origin())?;
    let kind = match args.kind {
        Kind::Firefox => browser::Browser::Firefox,
        Kind::Chromium => browser::Browser::Chromium,
    };
    match kind.setup(&reach, &wish) {
        Ok(setup) => Ok(setup.to_json()),
        Err(error) => Err(refusal(api, kind, &error).await),
    }
}

/// The service knows better than its facts why it cannot be trusted.
async fn refusal(api: &Api, kind: browser::Browser, error: &browser::BrowserError) -> Diagnostic {
    match api.get(&format!("/browsers/{}", kind.as_str()), &[]).await {
        Err(refused) => refused,
        Ok(_) => Diagnostic::input("browser/wiring", error.to_string()).fix(error.fix()),
    }
}

fn reach(info: &Value, asked: &Origin) -> Result<Reach> {
    let local = origin(info, "url")?;
    let has_clear_text = local.scheme() == Scheme::Http;
    let tls = match member(info, "spki") {
        "" if has_clear_text => Trust::Off,
        "" => Trust::Files,
        digest => Trust::Spki(spki(digest).ok_or_else(|| unknown("spki"))?),
    };
    let public = origin(info, "publicUrl")?;
    // Who was asked in clear text speaks it there.
    Ok(Reach { authority: String::new(), has_clear_text, tls, public }
        .as_asked(asked, asked.scheme() == Scheme::Http))
}

fn origin(info: &Value, name: &str) -> Result<Origin> {
    member(info, name).parse().map_err(|_| unknown(name))
}

/// SHA-256 in base64.
fn spki(text: &str) -> Option<[u8; 32]> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    push_crypto::base64url::decode(&text).ok()?.try_into().ok()
}

fn unknown(name: &str) -> Diagnostic {
    Diagnostic::input(
        "browser/wiring",
        format!("the service does not say in a known form what its {name} is"),
    )
    .why("its answer to GET /api/v1/info decides where the browser connects and whom it trusts")
    .fix("check --url: it must be the address which push serve prints")
}

fn space(api: &Api) -> Result<SpaceName> {
    api.space().parse().map_err(|error: push_mock_server::space::SpaceNameError| {
        Diagnostic::new(ExitCode::INPUT, "space", format!("{} is no space", text::quote(api.space(), 80)))
            .because(&error.to_string())
    })
}

fn checked(label: &str) -> Result<&str> {
    check_label(label).map_err(|error| {
        Diagnostic::input("label", format!("{} cannot be a label", text::quote(label, 80)))
            .why(error.to_string())
            .fix(error.fix())
    })?;
    Ok(label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_of_a_stranger_makes_no_switch() {
        let asked: Origin = "http://localhost:8030".parse().unwrap();
        let good = json!({"url": "http://localhost:8030", "publicUrl": "http://localhost:8030",
            "spki": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "args": ["--utility-cmd-prefix=x"]});

        let known = reach(&good, &asked).unwrap();
        assert_eq!((known.authority.as_str(), known.has_clear_text), ("localhost:8030", true));
        assert!(matches!(known.tls, Trust::Spki(digest) if digest[31] == 31));
        for (name, value) in [
            ("spki", "x --utility-cmd-prefix=x"),
            ("spki", "AAEC"),
            ("url", "http://localhost:8030 --x"),
            ("publicUrl", "file:///etc/passwd"),
            ("url", ""),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value.into();
            assert_eq!(reach(&wrong, &asked).unwrap_err().exit(), ExitCode::INPUT, "{name} {value}");
        }
    }

    #[test]
    fn labels_are_those_that_the_service_takes() {
        assert!(checked("pc 1").is_ok());
        for wrong in ["", " pc", "a\nb", &"x".repeat(101)] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }
}
