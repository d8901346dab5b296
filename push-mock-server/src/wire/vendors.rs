//! The vendors' push hosts: for which names the local authority may speak, and where a `CONNECT` ends here.

/// Hosts that stand for themselves.
const HOSTS: [&str; 6] = [
    "fcm.googleapis.com",
    "jmt17.google.com",
    "android.clients.google.com",
    "mtalk.google.com",
    "updates.push.services.mozilla.com",
    "push.services.mozilla.com",
];
/// Domains whose hosts are the vendors' push hosts: `web.push.apple.com`, `wns2-par02p.notify.windows.com`.
const DOMAINS: [&str; 2] = ["push.apple.com", "notify.windows.com"];

/// Every name above; in a certificate it stands for itself and everything below it.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    HOSTS.into_iter().chain(DOMAINS)
}

/// True for a push host of a vendor, in lower case.
#[cfg(feature = "browsers")]
pub(crate) fn is_push_host(host: &str) -> bool {
    HOSTS.contains(&host) || DOMAINS.iter().any(|domain| host != *domain && is_below(host, domain))
}

/// True for every name that a certificate for a vendor's names covers, whatever its case and with a dot at its end.
pub(crate) fn is_vendors(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    names().any(|name| is_below(&host, name))
}

/// True for `permitted` itself and every name below it.
pub(crate) fn is_below(name: &str, permitted: &str) -> bool {
    name.strip_suffix(permitted)
        .is_some_and(|rest| rest.is_empty() || (rest.len() > 1 && rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_vendors_are_told_from_names_like_them() {
        for host in ["fcm.googleapis.com", "FCM.googleapis.com.", "web.push.apple.com", "notify.windows.com"]
        {
            assert!(is_vendors(host), "{host}");
        }
        for host in ["googleapis.com", "evilfcm.googleapis.com", "fcm.googleapis.com.evil.example", "", "."] {
            assert!(!is_vendors(host), "{host}");
        }
    }

    #[cfg(feature = "browsers")]
    #[test]
    fn push_hosts_are_the_named_ones_and_those_of_the_domains() {
        for host in ["mtalk.google.com", "web.push.apple.com", "wns2-par02p.notify.windows.com"] {
            assert!(is_push_host(host), "{host}");
        }
        for host in
            ["a.fcm.googleapis.com", "push.apple.com", "notify.windows.com", ".push.apple.com", "apple.com"]
        {
            assert!(!is_push_host(host), "{host}");
        }
    }
}
