//! `/findings`, `/profiles` and `/inspect`: what can be found, who would answer what, and pasted things explained.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Answer, Json,
    reading::{Input, Params, bad_field},
};
use crate::{
    clock, json_reader as read,
    profile::{Profile, ProfileError},
    service::inspect::{
        rules::{self, Rule, Status},
        text::{self, Kind},
    },
    view::finding_json,
    wire::problem::Problem,
};

pub(super) async fn findings(params: Params) -> Answer {
    params.known(&[])?;
    Json::list(rules::catalogue().iter().map(rule_json).collect())
}

pub(super) async fn finding(Path(code): Path<String>, params: Params) -> Answer {
    params.known(&[])?;
    let rule = rules::rule(&code).ok_or_else(|| {
        let code: String = code.chars().take(100).collect();
        Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such finding")
            .detail(format!("no finding is called \"{}\"", code.escape_debug()))
            .fix("GET /api/v1/findings lists all")
    })?;
    Json::ok(rule_json(rule))
}

fn rule_json(rule: &Rule) -> Value {
    let (status, only_strict) = match rule.status {
        Status::Accepts => (None, false),
        Status::Refuses(status) => (Some(status), false),
        Status::RefusesIfStrict(status) => (Some(status), true),
    };
    json!({
        "code": rule.code,
        "level": rule.level,
        "status": status,
        "onlyStrict": only_strict,
        "title": rule.title,
        "when": rule.when,
        "why": rule.why,
        "fix": rule.fix,
        "example": {"before": rule.example.before, "after": rule.example.after},
        "vendors": rule.vendors,
        "spec": rule.spec,
        "row": rule.row,
        "help": format!("/help/{}", rule.code),
    })
}

pub(super) async fn profiles(params: Params) -> Answer {
    params.known(&[])?;
    Json::list(Profile::ALL.into_iter().map(profile_json).collect())
}

pub(super) async fn profile(Path(name): Path<String>, params: Params) -> Answer {
    params.known(&[])?;
    let profile = name.parse::<Profile>().map_err(|error: ProfileError| {
        Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such profile")
            .detail(error.to_string())
            .fix("GET /api/v1/profiles lists those that are offered")
    })?;
    Json::ok(profile_json(profile))
}

/// What the profile answers to each finding that it refuses.
fn profile_json(profile: Profile) -> Value {
    let answers: Vec<_> = rules::catalogue()
        .iter()
        .filter_map(|rule| match rule.status {
            Status::Accepts => None,
            Status::Refuses(status) => Some((rule, status, false)),
            Status::RefusesIfStrict(status) => Some((rule, status, true)),
        })
        .map(|(rule, status, only_strict)| {
            json!({
                "code": rule.code,
                "status": status,
                "onlyStrict": only_strict,
                "evidence": "documented",
                "spec": rule.spec,
            })
        })
        .collect();
    json!({"name": profile.as_str(), "answers": answers})
}

pub(super) async fn inspect(params: Params, input: Input) -> Answer {
    params.known(&[])?;
    let members = input.members(&["input", "as", "for", "profile"])?;
    let input = members.read("input", read::text)?;
    let input =
        input.ok_or_else(|| bad_field("/input", "is missing; give what is to be explained as a text"))?;
    let kind = members.read("as", read::parsed::<Kind>)?;
    let for_url = members.read("for", read::text)?;
    // The findings are the same under every profile; one that is not offered is still an error.
    members.read("profile", read::parsed::<Profile>)?;
    members.read("space", read::text)?;
    let explained = text::explain(input.as_bytes(), kind, for_url.as_deref(), clock::wall())
        .map_err(|error| bad_field("/input", error.to_string()))?;
    Json::ok(json!({
        "kind": explained.kind,
        "title": explained.title,
        "parts": explained.parts,
        "findings": explained.findings.iter().map(finding_json).collect::<Vec<_>>(),
    }))
}
