//! Where a tunnel may lead: public addresses only, by the registries of special-purpose addresses (RFC 6890 and its
//! successors).
//!
//! Stricter than it has to be: an IPv6 address that wraps an IPv4 address is refused whatever it wraps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First octets and prefix length of what is special in IPv4.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
];
/// The same inside of 2000::/3; everything outside of that is special.
const SPECIAL_V6: [(u128, u32); 5] = [
    (0x2001 << 112, 23),
    (0x2001_0db8 << 96, 32),
    (0x2002 << 112, 16),
    (0x2620_004f_8000 << 80, 48),
    (0x3fff << 112, 20),
];
/// Multicast and everything above it.
const FIRST_MULTICAST: u8 = 224;

/// True for an ordinary address of the internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, length): &([u8; 4], u32)| {
        (u32::from(address) ^ u32::from(Ipv4Addr::from(*network))) >> (32 - length) == 0
    };
    address.octets()[0] < FIRST_MULTICAST && !SPECIAL_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = u128::from(address);
    let within = |(network, length): &(u128, u32)| (bits ^ network) >> (128 - length) == 0;
    // Interface identifier of ISATAP (RFC 5214 §6.1).
    let [.., third, fourth, _, _] = address.segments();
    let is_isatap = matches!(third, 0 | 0x0200) && fourth == 0x5efe;
    within(&(0x2000 << 112, 3)) && !is_isatap && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public_text(address: &str) -> bool {
        is_public(address.parse().unwrap_or_else(|_| panic!("{address}")))
    }

    /// T47: the first, the last, and the neighbours of each network.
    #[test]
    fn special_networks_end_where_they_end() {
        for (first, last, below, above) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            ("192.31.196.0", "192.31.196.255", Some("192.31.195.255"), Some("192.31.197.0")),
            ("192.52.193.0", "192.52.193.255", Some("192.52.192.255"), Some("192.52.194.0")),
            ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
            ("192.175.48.0", "192.175.48.255", Some("192.175.47.255"), Some("192.175.49.0")),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
            ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
            ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
            ("224.0.0.0", "255.255.255.255", Some("223.255.255.255"), None),
            ("::", "1fff:ffff::1", None, Some("2000::1")),
            ("2001::", "2001:1ff:ffff::1", Some("2000:ffff::1"), Some("2001:200::1")),
            ("2001:db8::", "2001:db8:ffff::1", Some("2001:db7:ffff::1"), Some("2001:db9::1")),
            ("2002::", "2002:ffff::1", Some("2001:ffff::1"), Some("2003::1")),
            ("2620:4f:8000::", "2620:4f:8000:ffff::1", Some("2620:4f:7fff::1"), Some("2620:4f:8001::1")),
            ("3fff::", "3fff:fff::1", Some("3ffe:ffff::1"), Some("3fff:1000::1")),
            ("4000::", "ffff:ffff::1", None, None),
        ] {
            assert!(!is_public_text(first) && !is_public_text(last), "{first} to {last}");
            for neighbour in [below, above].into_iter().flatten() {
                assert!(is_public_text(neighbour), "{neighbour}");
            }
        }
    }

    /// T47: whatever wraps an address of IPv4.
    #[test]
    fn wrapped_addresses_are_refused() {
        for address in [
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:7f00:1::",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "2a00:1450::5efe:127.0.0.1",
            "2a00:1450::200:5efe:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public_text(address), "{address}");
        }
        for address in ["2606:2800:220:1::1", "2a00:1450:4001::200e", "2001:4860:4860::8888", "8.8.8.8"] {
            assert!(is_public_text(address), "{address}");
        }
    }
}
