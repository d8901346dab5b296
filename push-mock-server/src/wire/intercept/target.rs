//! What becomes of a `CONNECT`, from its target, its sender and the settings alone (T47).

use http::uri::Authority;

use super::Interception;
use crate::{
    config::Intercept,
    wire::{listener::Peer, vendors},
};

/// Port of HTTP over TLS.
const HTTPS: u16 = 443;
/// Port of Chromium's push connection, and the one host that has it.
const MCS: (&str, u16) = ("mtalk.google.com", 5228);

/// Where a `CONNECT` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It ends at the service.
    Here,
    /// It goes on, if the addresses of the host allow that.
    Onward {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a `CONNECT` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Interception is off.
    Off,
    /// It came inside of a `CONNECT`.
    Inside,
    /// The target is no host with a port.
    Form,
    /// A host that is intercepted, but another port.
    Port,
    /// The service speaks no TLS, so it has no certificate for the name.
    NoTls,
    /// No host that is intercepted.
    NotOurs,
    /// Tunnels are for programs of this machine.
    Stranger,
    /// An address of this machine, a private network, or another one that is special.
    Special,
    /// HTTP/2 has no upgrades.
    Http2,
}

impl Refusal {
    /// Why, and what to do.
    pub(super) const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Off => (
                "the service was started with --intercept off, so nothing is intercepted and nothing is passed on",
                "take the proxy setting out, or start the service with --intercept on",
            ),
            Self::Inside => (
                "it came through a CONNECT that ended here, and there is no second one inside of it",
                "use the service as the only proxy",
            ),
            Self::Form => (
                "the target is no host with a port",
                "name the target as HOST:PORT, for example fcm.googleapis.com:443",
            ),
            Self::Port => (
                "only port 443 of this host is intercepted (mtalk.google.com: 5228 too), and nothing is passed on",
                "send to the endpoint as it was given out, without another port",
            ),
            Self::NoTls => (
                "the service speaks no TLS, so it has no certificate for that name",
                "start the service with TLS",
            ),
            Self::NotOurs => (
                "it is no push host of a vendor, and nothing is passed on",
                "put the host into NO_PROXY; name a push host of your own with --intercept-host; \
                 --intercept pass lets everything else through",
            ),
            Self::Stranger => (
                "only programs of the machine on which the service runs are let through to other hosts",
                "put the host into NO_PROXY",
            ),
            Self::Special => (
                "it is an address of this machine, of a private network or of another special kind, \
                 to which nothing is let through",
                "put the host into NO_PROXY",
            ),
            Self::Http2 => (
                "CONNECT is taken over HTTP/1.1 only",
                "speak HTTP/1.1 to the proxy; inside of the CONNECT HTTP/2 is fine",
            ),
        }
    }
}

impl Interception {
    /// What becomes of a `CONNECT` to `target`.
    pub(super) fn judge(&self, target: Option<&Authority>, peer: Peer) -> Result<Way, Refusal> {
        if peer.intercepted {
            return Err(Refusal::Inside);
        }
        if self.mode == Intercept::Off {
            return Err(Refusal::Off);
        }
        let (host, port) = target.and_then(host_and_port).ok_or(Refusal::Form)?;
        let is_known = vendors::is_push_host(&host) || self.hosts.contains(&host);
        if is_known && (port == HTTPS || (host.as_str(), port) == MCS) {
            return if self.speaks_tls { Ok(Way::Here) } else { Err(Refusal::NoTls) };
        }
        match (self.mode, is_known) {
            (Intercept::Pass, _) if peer.address.ip().to_canonical().is_loopback() => {
                Ok(Way::Onward { host, port })
            }
            (Intercept::Pass, _) => Err(Refusal::Stranger),
            (_, true) => Err(Refusal::Port),
            (_, false) => Err(Refusal::NotOurs),
        }
    }
}

/// Host in lower case and without brackets, and port; none for a target with anything else in it.
fn host_and_port(target: &Authority) -> Option<(String, u16)> {
    if target.as_str().contains('@') {
        return None;
    }
    let port = target.port_u16().filter(|port| *port > 0)?;
    let host = target.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: &str = "127.0.0.1:9";
    const FAR: &str = "192.0.2.1:9";

    fn judge(mode: Intercept, target: &str, from: &str) -> Result<Way, Refusal> {
        let hosts = vec!["push.example.org".to_owned()];
        let interception = Interception { mode, hosts, speaks_tls: true, is_permitted: |_| false };
        let peer = Peer { address: from.parse().unwrap(), tls: false, intercepted: false };
        interception.judge(target.parse().ok().as_ref(), peer)
    }

    /// T47: the hosts that are intercepted, on their ports, for everybody.
    #[test]
    fn push_hosts_end_here() {
        for target in [
            "fcm.googleapis.com:443",
            "FCM.GoogleApis.com:443",
            "jmt17.google.com:443",
            "android.clients.google.com:443",
            "mtalk.google.com:443",
            "mtalk.google.com:5228",
            "updates.push.services.mozilla.com:443",
            "push.services.mozilla.com:443",
            "web.push.apple.com:443",
            "api.push.apple.com:443",
            "wns2-par02p.notify.windows.com:443",
            "push.example.org:443",
        ] {
            for mode in [Intercept::On, Intercept::Pass] {
                assert_eq!(judge(mode, target, NEAR), Ok(Way::Here), "{target}");
                assert_eq!(judge(mode, target, FAR), Ok(Way::Here), "{target}");
            }
            assert_eq!(judge(Intercept::Off, target, NEAR), Err(Refusal::Off), "{target}");
        }
    }

    #[test]
    fn everything_else_is_refused_or_goes_on() {
        for (target, refusal) in [
            ("example.com:443", Refusal::NotOurs),
            ("fcm.googleapis.com.:443", Refusal::NotOurs),
            ("a.fcm.googleapis.com:443", Refusal::NotOurs),
            ("a.push.example.org:443", Refusal::NotOurs),
            ("push.apple.com:443", Refusal::NotOurs),
            ("127.0.0.1:22", Refusal::NotOurs),
            ("[::1]:443", Refusal::NotOurs),
            ("fcm.googleapis.com:5228", Refusal::Port),
            ("fcm.googleapis.com:80", Refusal::Port),
            ("mtalk.google.com:5229", Refusal::Port),
            ("push.example.org:8443", Refusal::Port),
        ] {
            assert_eq!(judge(Intercept::On, target, NEAR), Err(refusal), "{target}");
            assert!(matches!(judge(Intercept::Pass, target, NEAR), Ok(Way::Onward { .. })), "{target}");
            assert_eq!(judge(Intercept::Pass, target, FAR), Err(Refusal::Stranger), "{target}");
            assert_eq!(judge(Intercept::Off, target, NEAR), Err(Refusal::Off), "{target}");
        }
        for target in [
            "fcm.googleapis.com",
            "fcm.googleapis.com:",
            "fcm.googleapis.com:0",
            "x@fcm.googleapis.com:443",
            "",
        ] {
            assert_eq!(judge(Intercept::Pass, target, NEAR), Err(Refusal::Form), "{target}");
        }
        let onward = Way::Onward { host: "2606:2800::1".to_owned(), port: 443 };
        assert_eq!(judge(Intercept::Pass, "[2606:2800::1]:443", NEAR), Ok(onward));
    }

    #[test]
    fn nothing_ends_here_without_tls_or_inside_of_a_connect() {
        let peer = Peer { address: NEAR.parse().unwrap(), tls: false, intercepted: false };
        let target = "fcm.googleapis.com:443".parse().unwrap();
        let interception = Interception {
            mode: Intercept::Pass,
            hosts: Vec::new(),
            speaks_tls: false,
            is_permitted: |_| false,
        };

        assert_eq!(interception.judge(Some(&target), peer), Err(Refusal::NoTls));
        let inside = Peer { intercepted: true, ..peer };
        let interception = Interception { speaks_tls: true, ..interception };
        assert_eq!(interception.judge(Some(&target), inside), Err(Refusal::Inside));
        assert_eq!(interception.judge(None, peer), Err(Refusal::Form));
    }

    proptest::proptest! {
        /// Whatever the target: only a known host ends here.
        #[test]
        fn any_target_is_judged(target in "[a-z0-9.:@\\[\\]-]{0,40}") {
            let judged = judge(Intercept::On, &target, NEAR);
            let known = ["push.example.org:443", "push.apple.com:443", "notify.windows.com:443"];
            proptest::prop_assert!(
                judged != Ok(Way::Here) || known.iter().any(|known| target.ends_with(known)),
                "{}", target
            );
        }
    }
}
