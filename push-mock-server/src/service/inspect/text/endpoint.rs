//! The URL of a push resource.

use core::net::{IpAddr, Ipv6Addr};

use push_crypto::{Origin, PushResource, PushResourceError};

use super::{Explained, Kind, lines::Lines};
use crate::service::inspect::{
    Settings,
    report::{Report, cut},
};

const PLACE: &str = "subscription.endpoint";

pub(super) fn explain(text: &str) -> Explained {
    let mut report = Report::new(&Settings::default());
    let resource = check(&mut report, text);
    let findings = report.finish();
    let mut lines = Lines::new(&findings);
    add_part(&mut lines, text, resource.as_ref());
    if let Some(resource) = &resource {
        lines.part("origin", resource.origin().to_string(), "what aud of a token must be", &[]);
    }
    Explained {
        kind: Kind::Endpoint,
        title: "Endpoint (URL of a push resource)".to_owned(),
        parts: lines.finish(),
        findings,
    }
}

/// Everything wrong with an endpoint.
pub(super) fn check(report: &mut Report, text: &str) -> Option<PushResource> {
    let resource: PushResource = match text.parse() {
        Ok(resource) => resource,
        Err(error) => {
            let expected = "the https URL that the browser gave";
            report.add(PushResourceError::code(error), PLACE, error.to_string(), expected);
            return None;
        }
    };
    if resource.is_permanently_removed() {
        report.add(
            "subscription/permanently-removed",
            PLACE,
            resource.origin().to_string(),
            "a subscription in use",
        );
    }
    if is_private(resource.origin()) {
        let seen = format!("the private address {}", resource.origin().host());
        report.add("subscription/endpoint-private", PLACE, seen, "a public host");
    }
    Some(resource)
}

pub(super) fn add_part(lines: &mut Lines, text: &str, resource: Option<&PushResource>) {
    let note = match resource.map(PushResource::origin) {
        Some(origin) if origin.is_loopback() => "on this machine".to_owned(),
        Some(origin) => {
            vendor(origin.host()).map_or_else(String::new, |vendor| format!("a push resource of {vendor}"))
        }
        None => String::new(),
    };
    lines.part("endpoint", cut(text, 48), note, &[PLACE]);
}

fn vendor(host: &str) -> Option<&'static str> {
    let under =
        |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if under("googleapis.com") || under("google.com") {
        Some("Google (FCM)")
    } else if under("push.services.mozilla.com") {
        Some("Mozilla")
    } else if under("push.apple.com") {
        Some("Apple")
    } else if under("notify.windows.com") {
        Some("Microsoft (WNS)")
    } else {
        None
    }
}

/// An address literal that no public push service has; names are not resolved here.
fn is_private(origin: &Origin) -> bool {
    let host = origin.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            let carrier = first == 100 && (64..128).contains(&second);
            !address.is_loopback()
                && (address.is_private() || address.is_link_local() || address.is_unspecified() || carrier)
        }
        Ok(IpAddr::V6(address)) => address.is_unspecified() || is_local(&address),
        Err(_) => false,
    }
}

/// fc00::/7, fe80::/10, and IPv4 written as IPv6.
fn is_local(address: &Ipv6Addr) -> bool {
    let first = address.segments().first().copied().unwrap_or(0);
    first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || address.to_ipv4_mapped().is_some_and(|v4| v4.is_private() || v4.is_link_local())
}
