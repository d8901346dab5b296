//! Which addresses a sender may connect to: a pure table of the special-purpose registries of IANA.
//!
//! An endpoint is text from a stranger. Without this table it could name any address of the sender's own network
//! (T1). The tables are those of RFC 6890 and its successors, with the addresses that wrap others unwrapped.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What kind of special address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// For documentation, benchmarks and other uses that no host on the internet has.
    Documentation,
    /// Link-local, cloud metadata services included.
    LinkLocal,
    /// This machine.
    Loopback,
    /// Multicast or broadcast.
    Multicast,
    /// A private network: RFC 1918, unique local, carrier-grade NAT.
    Private,
    /// Reserved, or assigned to a protocol.
    Reserved,
    /// "This host", 0.0.0.0/8 and ::.
    Unspecified,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documentation => "an address for documentation or benchmarks",
            Self::LinkLocal => "a link-local address",
            Self::Loopback => "this machine",
            Self::Multicast => "a multicast or broadcast address",
            Self::Private => "a private address",
            Self::Reserved => "a reserved address",
            Self::Unspecified => "an unspecified address",
        })
    }
}

/// The special kind of an address; `None` for an ordinary public one.
///
/// ```
/// use push_client::transport::{AddressClass, classify_address};
/// assert_eq!(classify_address("::ffff:127.0.0.1".parse().unwrap()), Some(AddressClass::Loopback));
/// assert_eq!(classify_address("93.184.216.34".parse().unwrap()), None);
/// ```
#[must_use]
pub fn classify_address(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// First octets, prefix length and class; the first that fits decides.
const V4: &[([u8; 4], u32, AddressClass)] = &[
    ([0, 0, 0, 0], 8, AddressClass::Unspecified),
    ([10, 0, 0, 0], 8, AddressClass::Private),
    ([100, 64, 0, 0], 10, AddressClass::Private),
    ([127, 0, 0, 0], 8, AddressClass::Loopback),
    ([169, 254, 0, 0], 16, AddressClass::LinkLocal),
    ([172, 16, 0, 0], 12, AddressClass::Private),
    ([192, 0, 0, 0], 24, AddressClass::Reserved),
    ([192, 0, 2, 0], 24, AddressClass::Documentation),
    ([192, 31, 196, 0], 24, AddressClass::Reserved),
    ([192, 52, 193, 0], 24, AddressClass::Reserved),
    ([192, 88, 99, 0], 24, AddressClass::Reserved),
    ([192, 168, 0, 0], 16, AddressClass::Private),
    ([192, 175, 48, 0], 24, AddressClass::Reserved),
    ([198, 18, 0, 0], 15, AddressClass::Documentation),
    ([198, 51, 100, 0], 24, AddressClass::Documentation),
    ([203, 0, 113, 0], 24, AddressClass::Documentation),
    ([224, 0, 0, 0], 4, AddressClass::Multicast),
    ([255, 255, 255, 255], 32, AddressClass::Multicast),
    ([240, 0, 0, 0], 4, AddressClass::Reserved),
];

fn classify_v4(address: Ipv4Addr) -> Option<AddressClass> {
    let bits = u32::from(address);
    V4.iter()
        .find(|(network, length, _)| (bits ^ u32::from(Ipv4Addr::from(*network))) >> (32 - length) == 0)
        .map(|(_, _, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> Option<AddressClass> {
    let bits = u128::from(address);
    if bits == 0 {
        return Some(AddressClass::Unspecified);
    }
    if bits == 1 {
        return Some(AddressClass::Loopback);
    }
    if let Some(inner) = unwrapped(address) {
        // What wraps an ordinary address is not ordinary itself: no push service is reached that way, except
        // through NAT64, whose well-known prefix is how a network without IPv4 reaches the rest.
        let nat64 = within(bits, 0x0064_ff9b << 96, 96);
        return classify_v4(inner).or((!nat64).then_some(AddressClass::Reserved));
    }
    let within = |network: u128, length: u32| within(bits, network, length);
    match () {
        () if within(0xfe80 << 112, 10) => Some(AddressClass::LinkLocal),
        () if within(0xfec0 << 112, 10) => Some(AddressClass::Private),
        () if within(0xfc00 << 112, 7) => Some(AddressClass::Private),
        () if within(0xff00 << 112, 8) => Some(AddressClass::Multicast),
        () if within(0x2001_0db8 << 96, 32) => Some(AddressClass::Documentation),
        () if within(0x3fff << 112, 20) => Some(AddressClass::Documentation),
        () if within(0x2001 << 112, 23) => Some(AddressClass::Reserved),
        () if within(0x2620_004f_8000 << 80, 48) => Some(AddressClass::Reserved),
        // Everything outside the global unicast space, discard-only and SRv6 prefixes included.
        () if !within(0x2000 << 112, 3) => Some(AddressClass::Reserved),
        () => is_isatap(address).then_some(AddressClass::Reserved),
    }
}

const fn within(bits: u128, network: u128, length: u32) -> bool {
    (bits ^ network) >> (128 - length) == 0
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
fn unwrapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    let low = Ipv4Addr::from(u32::try_from(bits & 0xffff_ffff).unwrap_or_default());
    let at = |shift: u32| Ipv4Addr::from(u32::try_from((bits >> shift) & 0xffff_ffff).unwrap_or_default());
    match () {
        // ::ffff:a.b.c.d, ::a.b.c.d, ::ffff:0:a.b.c.d
        () if within(bits, 0xffff << 32, 96) || within(bits, 0, 96) || within(bits, 0xffff << 48, 96) => {
            Some(low)
        }
        // 64:ff9b::/96 and the local-use 64:ff9b:1::/48 (with /96 below it, the usual form)
        () if within(bits, 0x0064_ff9b << 96, 96) || within(bits, 0x0064_ff9b_0001 << 80, 48) => Some(low),
        // 2002:aabb:ccdd::/48
        () if within(bits, 0x2002 << 112, 16) => Some(at(80)),
        // 2001:0::/32: the client's address is the complement of the last 32 bits
        () if within(bits, 0x2001_0000 << 96, 32) => Some(Ipv4Addr::from(!u32::from(low))),
        () if is_isatap(address) && classify_v4(low).is_some() => Some(low),
        () => None,
    }
}

/// Interface identifier `[02]00:5efe:a.b.c.d` (RFC 5214 §6.1).
fn is_isatap(address: Ipv6Addr) -> bool {
    let [.., a, b, _, _] = address.segments();
    matches!(a, 0x0000 | 0x0200) && b == 0x5efe
}

/// What else than public addresses is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// 127.0.0.0/8 and ::1.
    pub loopback: bool,
    /// RFC 1918, unique local and carrier-grade NAT addresses.
    pub private: bool,
}

/// An address that passed the policy: the only kind the connector connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checked<T>(T);

impl Checked<SocketAddr> {
    /// The address.
    #[must_use]
    pub const fn get(self) -> SocketAddr {
        self.0
    }

    /// An address that the caller of the library chose for a host; it is not looked up and not checked.
    #[cfg(feature = "transport")]
    #[must_use]
    pub(crate) const fn chosen_by_caller(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl AddressPolicy {
    /// Public addresses only.
    pub const PUBLIC_ONLY: Self = Self { loopback: false, private: false };

    /// Lets all addresses of a name pass, or none: one that is not allowed refuses them all.
    ///
    /// # Errors
    /// The class of the first address that is not allowed.
    pub fn check(&self, addresses: &[SocketAddr]) -> Result<Vec<Checked<SocketAddr>>, AddressClass> {
        addresses
            .iter()
            .map(|address| match self.refuses(address.ip()) {
                None => Ok(Checked(*address)),
                Some(class) => Err(class),
            })
            .collect()
    }

    /// The class of an address that is not allowed.
    #[must_use]
    pub fn refuses(&self, address: IpAddr) -> Option<AddressClass> {
        classify_address(address).filter(|class| match class {
            AddressClass::Loopback => !self.loopback,
            AddressClass::Private => !self.private,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(address: &str) -> Option<AddressClass> {
        classify_address(address.parse().unwrap_or_else(|_| panic!("{address}")))
    }

    /// T1: the first, the last, and the neighbours of each special network.
    #[test]
    fn special_v4_networks_are_known_at_their_borders() {
        use AddressClass::{Documentation, LinkLocal, Loopback, Multicast, Private, Reserved, Unspecified};
        for (first, last, below, above, expected) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0"), Unspecified),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0"), Private),
            ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0"), Private),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0"), Loopback),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0"), LinkLocal),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0"), Private),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0"), Reserved),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0"), Documentation),
            ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0"), Reserved),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0"), Private),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0"), Documentation),
            ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0"), Documentation),
            ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0"), Documentation),
            ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None, Multicast),
            ("240.0.0.0", "255.255.255.254", None, None, Reserved),
            ("255.255.255.255", "255.255.255.255", None, None, Multicast),
        ] {
            assert_eq!(class(first), Some(expected), "{first}");
            assert_eq!(class(last), Some(expected), "{last}");
            for neighbour in [below, above].into_iter().flatten() {
                assert_eq!(class(neighbour), None, "{neighbour}");
            }
        }
    }

    /// T1
    #[test]
    fn special_v6_networks_are_known() {
        use AddressClass::{Documentation, LinkLocal, Loopback, Multicast, Private, Reserved, Unspecified};
        for (address, expected) in [
            ("::", Unspecified),
            ("::1", Loopback),
            ("fe80::1", LinkLocal),
            ("febf:ffff::1", LinkLocal),
            ("fec0::1", Private),
            ("fc00::1", Private),
            ("fdff:ffff::1", Private),
            ("ff02::1", Multicast),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("2001:2::1", Reserved),
            ("2001:20::1", Reserved),
            ("100::1", Reserved),
            ("5f00::1", Reserved),
            ("4000::1", Reserved),
            ("1fff::1", Reserved),
            ("::2", Unspecified),
        ] {
            assert_eq!(class(address), Some(expected), "{address}");
        }
        for address in ["2606:2800:220:1::1", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2003::1"] {
            assert_eq!(class(address), None, "{address}");
        }
    }

    /// T1: addresses inside addresses.
    #[test]
    fn wrapped_v4_addresses_are_unwrapped() {
        use AddressClass::{LinkLocal, Loopback, Private, Reserved};
        for (address, expected) in [
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::ffff:10.1.2.3", Some(Private)),
            ("::ffff:169.254.169.254", Some(LinkLocal)),
            ("::ffff:8.8.8.8", Some(Reserved)),
            ("::127.0.0.1", Some(Loopback)),
            ("::ffff:0:127.0.0.1", Some(Loopback)),
            ("64:ff9b::127.0.0.1", Some(Loopback)),
            ("64:ff9b::192.168.1.1", Some(Private)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::10.0.0.1", Some(Private)),
            ("64:ff9b:1::8.8.8.8", Some(Reserved)),
            ("2002:7f00:1::", Some(Loopback)),
            ("2002:a9fe:a9fe::1", Some(LinkLocal)),
            ("2002:808:808::1", Some(Reserved)),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", Some(Loopback)),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some(AddressClass::Documentation)),
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", Some(Reserved)),
            ("2a00:1450::5efe:127.0.0.1", Some(Loopback)),
            ("2a00:1450::200:5efe:10.0.0.1", Some(Private)),
            ("2a00:1450::5efe:8.8.8.8", Some(Reserved)),
        ] {
            assert_eq!(class(address), expected, "{address}");
        }
    }

    #[test]
    fn one_bad_address_refuses_all() {
        let addresses: Vec<SocketAddr> =
            ["93.184.216.34:443", "127.0.0.1:443"].iter().map(|text| text.parse().unwrap()).collect();

        assert_eq!(AddressPolicy::PUBLIC_ONLY.check(&addresses), Err(AddressClass::Loopback));
        assert_eq!(AddressPolicy { loopback: true, private: false }.check(&addresses).unwrap().len(), 2);
    }

    #[test]
    fn private_does_not_mean_link_local() {
        let policy = AddressPolicy { loopback: false, private: true };

        assert_eq!(policy.refuses("192.168.1.1".parse().unwrap()), None);
        assert_eq!(policy.refuses("169.254.169.254".parse().unwrap()), Some(AddressClass::LinkLocal));
        assert_eq!(policy.refuses("::1".parse().unwrap()), Some(AddressClass::Loopback));
    }
}
