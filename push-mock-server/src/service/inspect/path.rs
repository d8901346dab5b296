//! Where a request goes, with which method, and how large it is.

use super::{
    Case, Target,
    report::{octets, shown},
};
use crate::service::request::RequestBody;

/// Requests after a 404 or 410 that are still forgiven: the third is reported.
const FORGIVEN_AFTER_GONE: usize = 3;
/// What every service takes (RFC 8030 §7.2).
const EVERYWHERE: u64 = 4096;

impl Case<'_> {
    /// The subscription behind the path.
    pub(super) fn check_target(&mut self) {
        match self.target {
            Target::Altered => self.report.add(
                "subscription/endpoint-altered",
                "path",
                "a token that differs from a known one by a cut, by case, by percent-decoding or by a backslash",
                "the endpoint as the browser gave it",
            ),
            Target::Known(subject) => {
                if let Some(gone) = subject.gone {
                    let seen = format!("{} is gone: {}", shown(subject.label), gone.reason);
                    let expected = "a subscription in use";
                    self.report.add_answered("subscription/gone", gone.status, "path", seen, expected);
                }
            }
            Target::Unknown => self.report.add(
                "subscription/unknown",
                "path",
                "a token of no subscription",
                "the endpoint as the browser gave it",
            ),
        }
        let earlier = self.recall.refused_as_gone();
        if earlier >= FORGIVEN_AFTER_GONE {
            self.report.add(
                "request/sent-after-gone",
                "path",
                format!("{earlier} requests to this resource were answered 404 or 410 before"),
                "none after the first 404 or 410",
            );
        }
    }

    /// The method, which is case-sensitive (RFC 9110 §9.1).
    pub(super) fn check_method(&mut self) {
        match self.request.method.as_str() {
            "POST" | "OPTIONS" => {}
            "PUT" if self.settings.strict || self.settings.refuse_put => {
                self.report.add_answered("request/method-put", 405, "method", "PUT", "POST");
            }
            "PUT" => self.report.add("request/method-put", "method", "PUT", "POST"),
            other => self.report.add("request/method", "method", shown(other), "POST"),
        }
    }

    /// Number and size of the fields, size of the body (PS-085, PS-086).
    pub(super) fn check_sizes(&mut self) {
        let fields = &self.request.headers;
        let size = fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if fields.len() > self.settings.header_fields || size > self.settings.header_octets {
            self.report.add(
                "request/headers-too-large",
                "header",
                format!("{} fields of {}", fields.len(), octets(size)),
                format!(
                    "at most {} fields of {}",
                    self.settings.header_fields,
                    octets(self.settings.header_octets)
                ),
            );
        }
        let (size, limit) = (self.request.body.len(), self.settings.body_octets);
        let over = matches!(self.request.body, RequestBody::TooLarge { .. }) || size > limit as u64;
        if over {
            let seen = match &self.request.body {
                RequestBody::TooLarge { declared: None, .. } => format!("more than {}", octets(limit)),
                _ => format!("{size} octets"),
            };
            self.report.add("body/too-large", "body", seen, format!("at most {}", octets(limit)));
        } else if size > EVERYWHERE {
            self.report.add("body/over-4096", "body", format!("{size} octets"), "at most 4096 octets");
        }
    }
}
