//! Requests that an endpoint tries to send elsewhere: special addresses, names that change, redirects.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use push_client::{
    Outcome, PushClient, PushMessage, Subscription, Ttl,
    outcome::{Invalid, UnsentReason},
    transport::{AddressClass, Resolve},
};
use tokio::net::TcpListener;

use crate::support::{Kind, Peer, local, raw_peer, without_keys};

/// Names for the table: each stands for the addresses that are its labels, with `-` for `:` and `_` for `.`.
struct Names;

impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let host = host.trim_end_matches('.');
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)]);
        }
        let labels = host.strip_suffix(".test").unwrap_or_default().split('.');
        Ok(labels
            .filter_map(|label| label.replace('-', ":").replace('_', ".").parse().ok())
            .map(|address: IpAddr| SocketAddr::new(address, port))
            .collect())
    }
}

/// Hosts that stand, or might be taken to stand, for an address that is not public.
const HOSTS: &[&str] = &[
    // IPv4 in forms that resolvers and URL parsers of other programs read
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "00177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7F000001",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "127.1.",
    "0x7f.0x0.0x0.0x1",
    "0",
    "0.0.0.0",
    "0.0.0.1",
    "0x0",
    "00",
    "127.0.0.01",
    "127.00.0.1",
    // private, link-local, shared, reserved, multicast
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "10.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    // IPv6
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:2:3:4:7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:c0a8:1::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[2001::]",
    "[2a00::5efe:127.0.0.1]",
    "[2a00::200:5efe:10.0.0.1]",
    "[fe80::1]",
    "[fe80::5efe:10.0.0.1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd12:3456::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[5f00::1]",
    "[2001:2::1]",
    "[2001:20::1]",
    "[4000::1]",
    "[e000::1]",
    "[::ffff:8.8.8.8]",
    "[fe80::1%25lo]",
    "[fe80::1%eth0]",
    "[::1",
    "::1]",
    "[::1]]",
    // names
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "127_0_0_1.test",
    "10_0_0_1.test",
    "--1.test",
    "169_254_169_254.test",
    "--ffff-7f00-1.test",
    "64-ff9b--7f00-1.test",
    "fd00--1.test",
    "0_0_0_0.test",
    "93_184_216_34.127_0_0_1.test",
    "127_0_0_1.93_184_216_34.test",
    "2606-2800--1.--1.test",
    "100_64_0_1.test.",
    // text around the host
    "127.0.0.1:80@push.example",
    "push.example@127.0.0.1",
    "user:pw@127.0.0.1",
    "@127.0.0.1",
    "127.0.0.1#.push.example",
    "127.0.0.1\\.push.example",
    "127.0.0.1%2f",
    "127.0.0.1%00.push.example",
    "%31%32%37.0.0.1",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "１２７.0.0.1",
    "127.0.0.1\t",
    " 127.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
];

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unsent(unsent) if matches!(unsent.reason, UnsentReason::Invalid(Invalid::AddressNotAllowed(_))))
}

async fn count_connections(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    tokio::spawn({
        let count = Arc::clone(&count);
        async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, count)
}

/// T1, T7: 120 spellings, none of which reaches a listener on all addresses of this machine.
#[tokio::test]
async fn t1_no_spelling_reaches_an_address_that_is_not_public() {
    assert!(HOSTS.len() >= 120, "{}", HOSTS.len());
    let (all_v4, on_v4) = count_connections("0.0.0.0:0").await;
    let v6 = TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, 0)).await.is_ok();
    let (all_v6, on_v6) = if v6 { count_connections("[::]:0").await } else { (all_v4, Arc::default()) };
    let client = PushClient::builder().allow_any_port().resolver(Names).retries(0).build().unwrap();

    for host in HOSTS {
        for port in [all_v4.port(), all_v6.port()] {
            for scheme in ["https", "http"] {
                let json = serde_json::json!({"endpoint": format!("{scheme}://{host}:{port}/p")}).to_string();
                let Ok(subscription) = Subscription::from_json(&json) else { continue };
                let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::seconds(1))).await;
                assert!(is_refused(&outcome), "{scheme}://{host}: {outcome}");
            }
        }
    }

    assert_eq!(on_v4.load(Ordering::SeqCst) + on_v6.load(Ordering::SeqCst), 0);
}

/// A name whose addresses change from look-up to look-up.
#[derive(Clone)]
struct Rebinds {
    script: Arc<Vec<Vec<IpAddr>>>,
    calls: Arc<AtomicUsize>,
}

impl Rebinds {
    fn new(script: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Self { script: Arc::new(script.iter().map(parse).collect()), calls: Arc::default() }
    }
}

impl Resolve for Rebinds {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(self.script[call % self.script.len()].iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }
}

/// T2: whatever a name answers the next time, loopback is never connected to.
#[tokio::test]
async fn t2_a_name_that_turns_to_loopback_is_never_connected_to() {
    let (address, connections) = count_connections("0.0.0.0:0").await;
    let names = Rebinds::new(&[&[], &["127.0.0.1"], &["93.184.216.34", "127.0.0.1"], &["::ffff:127.0.0.1"]]);
    let client = PushClient::builder().allow_any_port().resolver(names.clone()).retries(0).build().unwrap();

    for number in 0..10_000 {
        // Many origins, since one that always fails is not even asked any more.
        let endpoint = format!("https://h{}.example:{}/p/{number}", number % 5_000, address.port());
        let outcome = client.send(&without_keys(&endpoint), &PushMessage::tickle(Ttl::ZERO)).await;
        assert_eq!(outcome.as_str(), "unsent");
    }

    assert_eq!(connections.load(Ordering::SeqCst), 0);
    assert_eq!(names.calls.load(Ordering::SeqCst), 10_000);
}

/// T2: the address that is connected to is the one that was checked, from one and the same look-up; and each new
/// connection is checked anew.
#[tokio::test]
async fn t2_each_new_connection_is_looked_up_once_and_checked() {
    let peer = Peer::start(Kind::Http1, |_, _| {
        http::Response::builder().status(201).header("connection", "close").body(bytes::Bytes::new()).unwrap()
    })
    .await;
    // If the name were looked up again after the check, every answer would be the other one.
    let names = Rebinds::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = local().resolver(names.clone()).build().unwrap();
    let endpoint = format!("http://localhost:{}/p", peer.address.port());

    for number in 0..100 {
        let outcome = client
            .send(&without_keys(&format!("{endpoint}/{number}")), &PushMessage::tickle(Ttl::ZERO))
            .await;
        if number % 2 == 0 {
            assert_eq!(outcome.status(), Some(201), "{outcome}");
        } else {
            let Outcome::Unsent(unsent) = outcome else { panic!("{outcome}") };
            let private = Invalid::AddressNotAllowed(AddressClass::Private);
            assert_eq!(unsent.reason, UnsentReason::Invalid(private));
        }
    }

    assert_eq!((peer.seen().len(), names.calls.load(Ordering::SeqCst)), (50, 100));
}

/// T3: no redirect is followed; the listener inside sees nothing.
#[tokio::test]
async fn t3_redirects_are_outcomes() {
    let inside = raw_peer(|_| async {}).await;
    let target = format!("http://{}/admin?token=secret", inside.address);
    for status in [301, 302, 303, 307, 308] {
        let location = target.clone();
        let peer = Peer::start(Kind::Http1, move |_, _| {
            http::Response::builder()
                .status(status)
                .header("location", &location)
                .body(bytes::Bytes::new())
                .unwrap()
        })
        .await;

        let outcome = local()
            .build()
            .unwrap()
            .send(&without_keys(&peer.endpoint("/p")), &PushMessage::tickle(Ttl::ZERO))
            .await;

        let Outcome::Refused(refused) = &outcome else { panic!("{outcome}") };
        assert_eq!((refused.status, refused.reason.as_str()), (status, "redirect"));
        assert!(!format!("{outcome}{outcome:?}").contains("admin"), "the target is not shown");
        assert_eq!(peer.seen().len(), 1);
    }
    assert_eq!(inside.connections(), 0);
}

/// T7: other ports are refused before a look-up, unless they are allowed.
#[tokio::test]
async fn t7_ports_are_refused_before_a_look_up() {
    let names = Rebinds::new(&[&[]]);
    let send = async |client: push_client::PushClientBuilder| {
        let client = client.resolver(names.clone()).retries(0).build().unwrap();
        client.send(&without_keys("https://push.example:8443/p"), &PushMessage::tickle(Ttl::ZERO)).await
    };

    let Outcome::Unsent(unsent) = send(PushClient::builder()).await else { panic!() };
    assert_eq!(unsent.reason, UnsentReason::Invalid(Invalid::PortNotAllowed(8443)));
    assert_eq!(names.calls.load(Ordering::SeqCst), 0);
    send(PushClient::builder().allow_port(8443)).await;
    send(PushClient::builder().allow_any_port()).await;
    assert_eq!(names.calls.load(Ordering::SeqCst), 2);
}

/// AS-001: clear text to this machine needs the switch, and no socket opens without it.
#[tokio::test]
async fn clear_text_to_this_machine_needs_the_switch() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let client = PushClient::builder().build().unwrap();

    let outcome = client.send(&without_keys(&peer.endpoint("/p")), &PushMessage::tickle(Ttl::ZERO)).await;

    assert!(is_refused(&outcome), "{outcome}");
    assert_eq!(peer.connections(), 0);
}
