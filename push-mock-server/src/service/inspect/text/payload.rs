//! A payload before its encryption: its size, and what a user agent will make of it.

use push_crypto::{Declarative, DeclarativeReading, Schedule};
use serde_json::Value;

use super::{Explained, Kind, Mark, lines::Lines};
use crate::service::inspect::{
    Settings, declarative, payload,
    report::{Report, octets},
};

pub(super) fn explain(input: &[u8]) -> Explained {
    let settings = Settings::default();
    let mut report = Report::new(&settings);
    payload::check_text(&mut report, input);
    declarative::check(&mut report, input);
    let encrypted = input.len() + Schedule::Aes128gcm.overhead();
    if encrypted > settings.body_octets {
        let seen = format!("{}, {} when encrypted", octets(input.len()), octets(encrypted));
        let most = octets(Schedule::Aes128gcm.plaintext_limit(settings.body_octets));
        report.add("body/too-large", "body", seen, format!("at most {most} before encryption"));
    }
    let findings = report.finish();
    let mut lines = Lines::new(&findings);
    let note = format!("{} when encrypted in aes128gcm without padding", octets(encrypted));
    lines.part("size", octets(input.len()), note, &["body"]);
    let kind = match core::str::from_utf8(input) {
        Ok(text) if serde_json::from_str::<Value>(text).is_ok() => "JSON",
        Ok(_) => "text",
        Err(_) => "octets",
    };
    lines.part("kind", kind, "", &["payload/"]);
    match Declarative::read(input) {
        DeclarativeReading::Declarative(_) => {
            lines.part("declarative", "yes", "shown without a worker where browsers know it", &[]);
        }
        DeclarativeReading::NotDeclarative(_) => {
            let note = "the worker gets it as event.data".to_owned();
            lines.marked("declarative", "no".to_owned(), Mark::Info, note, &[]);
        }
    }
    Explained { kind: Kind::Payload, title: format!("Payload, {kind}"), parts: lines.finish(), findings }
}
