//! Answers of vendors that several rules share, from the vendors' tables.

use crate::service::finding::VendorAnswer;

/// What a service answers.
pub(super) const fn answers(
    profile: &'static str,
    status: u16,
    body: &'static str,
    evidence: &'static str,
    line: &'static str,
) -> VendorAnswer {
    VendorAnswer { profile, status: Some(status), body, evidence, line }
}

/// What a browser does.
pub(super) const fn does(profile: &'static str, what: &'static str, evidence: &'static str) -> VendorAnswer {
    VendorAnswer { profile, status: None, body: what, evidence, line: "" }
}

/// Mozilla's service, whose source is public.
pub(super) const fn mozilla(status: u16, body: &'static str, line: &'static str) -> VendorAnswer {
    answers("mozilla", status, body, "source", line)
}

pub(super) const FIREFOX_101: VendorAnswer =
    does("firefox", "acknowledges with code 101 and drops it; no event", "run");
pub(super) const CHROMIUM_SILENT: VendorAnswer = does("chromium", "no event", "source");
pub(super) const FCM_JWT: VendorAnswer =
    answers("fcm", 403, "permission denied: invalid JWT provided\n", "observed", "fcm/4");
pub(super) const APPLE_JWT: VendorAnswer =
    answers("apple", 403, "{\"reason\":\"BadJwtToken\"}", "observed", "apple/4");
pub(super) const WNS_JWT: VendorAnswer = answers("wns", 401, "", "documented", "wns/3");
