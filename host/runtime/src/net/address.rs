//! Which network addresses are public.
//!
//! The trust boundary for all outbound connections: a provider, or a person who enters a host name or a media
//! URL, must not reach the private network (IANA special-purpose registries, RFC 6890).

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: its first address, the length of its prefix, what it is for.
type Range<A> = (A, u32, &'static str);

/// What programs answer names with that catch all connections of a machine.
const BENCHMARKS: &str = "benchmarks";

/// IPv4 addresses that are not public. The first match counts.
const V4: &[Range<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    // Clouds keep their metadata service there.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "AS112"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "AMT"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relays"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private network"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "AS112"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, BENCHMARKS),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// IPv6 addresses that are not public, whatever they wrap. The first match counts.
const V6: &[Range<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "this network"),
    (Ipv6Addr::LOCALHOST, 128, "this machine"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "IPv4-translated"),
    // Which IPv4 address it wraps depends on how the operator set up the translation.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "NAT64 of the local network"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignments"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x2620, 0x4f, 0, 0, 0, 0, 0, 0), 32, "AS112"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private network"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
    // Global unicast is 2000::/3, and these three surround it.
    (Ipv6Addr::UNSPECIFIED, 3, "reserved"),
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2, "reserved"),
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1, "reserved"),
];

/// An address that is not public: the range it lies in. As the cause of a failed connection, the first address of a
/// name that has no public one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrivateAddress {
    address: IpAddr,
    /// The IPv4 address that it stands for.
    wrapped: Option<Ipv4Addr>,
    range: (IpAddr, u32, &'static str),
}

/// Whether an address can belong to a host of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    PrivateAddress::of(address).is_none()
}

impl PrivateAddress {
    /// None: the address can belong to a host of the public internet.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        let v4 = |inner: Ipv4Addr| {
            let range = V4.iter().find(|(first, bits, _)| {
                inner.to_bits().checked_shr(32 - bits) == first.to_bits().checked_shr(32 - bits)
            });
            range.map(|(first, bits, what)| (IpAddr::V4(*first), *bits, *what))
        };
        let (wrapped, range) = match address {
            IpAddr::V4(inner) => (None, v4(inner)),
            IpAddr::V6(outer) => match wrapped(outer) {
                Some(inner) => (Some(inner), v4(inner)),
                None => {
                    let range = V6.iter().find(|(first, bits, _)| {
                        outer.to_bits().checked_shr(128 - bits) == first.to_bits().checked_shr(128 - bits)
                    });
                    (None, range.map(|(first, bits, what)| (IpAddr::V6(*first), *bits, *what)))
                }
            },
        };
        Some(PrivateAddress { address, wrapped, range: range? })
    }

    /// Whether a program on this machine or its router has probably made the address up.
    pub(crate) fn is_made_up(&self) -> bool {
        self.range.2 == BENCHMARKS
    }

    /// The address and its range, as the end of a sentence about the host.
    pub(crate) fn told(&self, host: &str) -> String {
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>() == Ok(self.address);
        let verb = if literal { String::new() } else { format!(" resolves to {}, which", self.address) };
        let stands = self.wrapped.map_or_else(String::new, |inner| format!(" stands for {inner}, which"));
        format!("{host}{verb}{stands} is {self}")
    }
}

/// The IPv4 address at the end of addresses that systems and DNS64 make of one: `::ffff:0:0/96` connects to it, and
/// `64:ff9b::/96` reaches it through the network's NAT64.
fn wrapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, bits, what) = self.range;
        write!(f, "in {first}/{bits} ({what}), not in the public internet")
    }
}

impl StdError for PrivateAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::6440:1",
            "64:ff9b::1:808:808",
            "64:ff9b:1::1",
            "64:ff9b:1::808:808",
            "64:ff9b:2::1",
            "2002:808:808::1",
            "2001:0:808:808::1",
            "::808:808",
            "4000::1",
            "8000::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(PrivateAddress::of(text.parse().unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn outer_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            // What these wrap is public: an IPv6-only network gives such addresses for every IPv4 host.
            "64:ff9b::101:101",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(PrivateAddress::of(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_address_and_its_range() {
        let told =
            |host: &str, address: &str| PrivateAddress::of(address.parse().unwrap()).unwrap().told(host);
        assert_eq!(
            told("cdn.test", "198.18.0.5"),
            "cdn.test resolves to 198.18.0.5, which is in 198.18.0.0/15 (benchmarks), not in the public internet"
        );
        assert_eq!(
            told("10.0.0.1", "10.0.0.1"),
            "10.0.0.1 is in 10.0.0.0/8 (private network), not in the public internet"
        );
        assert_eq!(
            told("cdn.test", "64:ff9b::c0a8:1"),
            "cdn.test resolves to 64:ff9b::c0a8:1, which stands for 192.168.0.1, which is in 192.168.0.0/16 (private network), not in the public internet"
        );
        assert_eq!(
            told("[2002:a00:1::]", "2002:a00:1::"),
            "[2002:a00:1::] is in 2002::/16 (6to4), not in the public internet"
        );
    }
}
