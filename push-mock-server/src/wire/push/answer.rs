//! [`Reply`] → `http::Response`: 201 with its fields, a refusal as problem+json (choice P-05).

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{
    service::{
        finding::Finding,
        reply::{Outcome, Reply},
    },
    wire::{
        body::{Body, empty},
        problem::{Problem, from_service_error},
    },
};

/// The response to a push request.
pub(crate) fn respond_with(reply: &Reply) -> Response<Body> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match &reply.outcome {
        Outcome::Accepted { .. } => Response::new(empty()),
        Outcome::Refused(finding) => refusal(status, finding).into_response(),
        Outcome::Unavailable(error) => from_service_error(error).into_response(),
    };
    *response.status_mut() = status;
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A refusal with that status, by that finding.
pub(super) fn refused_with(status: u16, finding: Option<&Finding>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match finding {
        Some(finding) => refusal(status, finding).into_response(),
        None => Response::new(empty()),
    };
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, PUT, OPTIONS"));
    }
    response
}

/// The finding that decided, as the sender's developer needs it.
fn refusal(status: StatusCode, finding: &Finding) -> Problem {
    let mut problem = Problem::new(status, finding.code, status.canonical_reason().unwrap_or("Refused"))
        .detail(format!(
            "{}: seen {}, expected {}; {}",
            finding.place, finding.seen, finding.expected, finding.why
        ))
        .fix(finding.fix);
    if let Some(row) = finding.row {
        problem = problem.with("row", row);
    }
    if let Some(field) = finding.place.strip_prefix("header:") {
        let name = field.split('#').next().unwrap_or(field);
        problem = problem.with("header", shown_name(name));
    }
    problem
}

/// `header:crypto-key#dh` names the field as documents write it: `Crypto-Key`, `TTL`.
fn shown_name(name: &str) -> String {
    if name == "ttl" {
        return "TTL".to_owned();
    }
    name.split('-')
        .map(|word| {
            let mut characters = word.chars();
            characters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + characters.as_str()
            })
        })
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::finding::Level;

    fn finding(place: &str) -> Finding {
        Finding {
            code: "ttl/missing",
            level: Level::Error,
            place: place.to_owned(),
            seen: "no field".to_owned(),
            expected: "TTL: 60".to_owned(),
            why: "every message needs a time to live",
            fix: "add TTL: 60",
            vendors: &[],
            spec: &["RFC 8030 §5.2"],
            row: Some("PS-039"),
            help: "/help/ttl/missing".to_owned(),
            refuses: Some(400),
        }
    }

    #[test]
    fn refusal_names_code_row_and_field() {
        let problem = refusal(StatusCode::BAD_REQUEST, &finding("header:ttl")).to_json();

        assert_eq!(problem["type"], "/help/ttl/missing");
        assert_eq!(problem["status"], 400);
        assert_eq!(problem["row"], "PS-039");
        assert_eq!(problem["header"], "TTL");
        assert_eq!(problem["fix"], "add TTL: 60");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("no field") && detail.contains("TTL: 60"), "{detail}");
    }

    #[test]
    fn fields_are_written_as_documents_write_them() {
        assert_eq!(
            refusal(StatusCode::BAD_REQUEST, &finding("header:crypto-key#dh")).to_json()["header"],
            "Crypto-Key"
        );
        assert_eq!(refusal(StatusCode::NOT_FOUND, &finding("path")).to_json().get("header"), None);
    }
}
