//! Where accounts may point: public addresses, and private ones that the operator allowed. Addresses are checked after
//! resolving and right before connecting, so that a name that changes its mind in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::PrivateUpstream;

/// Whether the operator allowed this host by name.
pub(super) fn is_allowed_host(host: &str, allowed: &[PrivateUpstream]) -> bool {
    allowed
        .iter()
        .any(|entry| matches!(entry, PrivateUpstream::Host(name) if name.eq_ignore_ascii_case(host)))
}

/// Whether a connection to this address may be made.
pub(super) fn may_connect(address: IpAddr, allowed: &[PrivateUpstream]) -> bool {
    is_public(address)
        || allowed.iter().any(|entry| matches!(entry, PrivateUpstream::Network(net) if net.contains(address)))
}

/// Whether an address belongs to the public internet, also when it is an IPv4 address in IPv6 clothes.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        // Carrier-grade NAT, 100.64.0.0/10, where some clouds keep their metadata service.
        || (a == 100 && (64..128).contains(&b))
        // IETF protocol assignments and 6to4 relays.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks, 198.18.0.0/15, and everything reserved.
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !special
}

/// The IPv4 address inside: mapped, compatible, NAT64 (64:ff9b::/96), 6to4 (2002::/16).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = address.octets();
    let last = Ipv4Addr::new(a, b, c, d);
    match s {
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(last),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last),
        [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

/// Only 2000::/3 is assigned to the public; documentation, Teredo and local NAT64 are taken out of it or not in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let global = s[0] & 0xe000 == 0x2000;
    let documentation = s[0] == 0x2001 && s[1] == 0xdb8;
    let assignments = s[0] == 0x2001 && s[1] < 0x200;
    global && !documentation && !assignments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;

    #[test]
    fn only_the_public_internet_is_public() {
        for private in [
            "0.0.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn the_operator_allows_networks_and_hosts() {
        let allowed = [
            PrivateUpstream::Network(Network::parse("10.0.0.0/8").unwrap()),
            PrivateUpstream::Host("ollama.local".to_owned()),
        ];
        assert!(may_connect("10.2.3.4".parse().unwrap(), &allowed));
        assert!(!may_connect("127.0.0.1".parse().unwrap(), &allowed));
        assert!(is_allowed_host("Ollama.local", &allowed));
    }
}
