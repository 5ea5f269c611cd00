//! Where a connection may go. Whoever adds an account chooses its host, so every address is judged after the name was
//! resolved and right before it is connected to: a name can't change its mind in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{PrivateUpstream, UpstreamConfig};

/// Private hosts and networks that the operator allowed (`ALLOW_PRIVATE_UPSTREAMS`).
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    allowed: Vec<PrivateUpstream>,
}

impl Guard {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        Self { allowed: config.allow_private.clone() }
    }

    #[cfg(test)]
    pub(crate) fn allowing(network: &str) -> Self {
        let network = crate::config::Network::parse(network);
        Self { allowed: network.map(PrivateUpstream::Network).into_iter().collect() }
    }

    /// Whether a connection to `host`, resolved to `address`, is allowed.
    pub(crate) fn allows(&self, host: &str, address: IpAddr) -> bool {
        let listed = |entry: &PrivateUpstream| match entry {
            PrivateUpstream::Host(name) => name.eq_ignore_ascii_case(host),
            PrivateUpstream::Network(network) => network.contains(address),
        };
        is_public(address) || self.allowed.iter().any(listed)
    }
}

/// Whether an address is anybody's on the Internet: not this machine's, not of a private network, not one of the forms
/// in which IPv6 carries such an IPv4 address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = match (a, b, c) {
        // This network, private, loopback, link-local (where clouds keep their metadata).
        (0 | 10 | 127, _, _) | (169, 254, _) | (192, 168, _) => true,
        (172, 16..=31, _) => true,
        // Carrier-grade NAT, where some clouds keep their metadata too.
        (100, 64..=127, _) => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarking.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Azure's platform address: metadata and DNS of every machine there.
        (168, 63, 129) => address == Ipv4Addr::new(168, 63, 129, 16),
        // Multicast, reserved, broadcast.
        (224.., _, _) => true,
        _ => false,
    };
    !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = carried_v4(address) {
        return is_public_v4(inner);
    }
    match address.segments() {
        // Teredo, benchmarking, ORCHID, documentation: inside the global range, yet nobody's server.
        [0x2001, 0 | 2, ..] | [0x2001, 0x10..=0x2f, ..] | [0x2001, 0xdb8, ..] => false,
        [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast; everything else is loopback, unspecified, local, or not given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 (also local-use) and 6to4.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Unspecified and loopback are no IPv4 addresses, but fall in 0.0.0.0/8 and so are refused either way.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => from(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => from(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
        // How long the prefix of a local NAT64 is, nobody can tell: refused as a private address.
        [0x64, 0xff9b, 1, ..] => Some(Ipv4Addr::UNSPECIFIED),
        [0x2002, high, low, ..] => from(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;

    #[test]
    fn private_addresses_are_refused_in_every_disguise() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for text in private {
            let v4: Ipv4Addr = text.parse().unwrap();
            assert!(!is_public(IpAddr::V4(v4)), "{v4}");
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for disguise in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                assert!(!is_public(IpAddr::V6(disguise)), "{disguise}");
            }
        }
        for text in [
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "3fff::1",
            "4000::1",
            "64:ff9b:1::808:808",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_operator_can_allow_private_ones() {
        let network = PrivateUpstream::Network(Network::parse("10.1.0.0/16").unwrap());
        let guard = Guard { allowed: vec![PrivateUpstream::Host("llm.lan".into()), network] };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(guard.allows("LLM.lan", address("192.168.1.5")));
        assert!(!guard.allows("other.lan", address("192.168.1.5")));
        assert!(guard.allows("other.lan", address("10.1.2.3")));
        assert!(guard.allows("other.lan", address("::ffff:10.1.2.3")));
        assert!(!guard.allows("other.lan", address("10.2.0.1")));
        assert!(guard.allows("example.org", address("8.8.8.8")));
    }
}
