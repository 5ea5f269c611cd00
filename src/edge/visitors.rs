//! Who is connected: how many connections one address may hold on which nothing was called with success yet. Running
//! calls are bounded by who makes them; connections that only stand there are not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The prefix of an IPv6 address that one household or host has to itself.
const IPV6_SITE: u128 = u128::MAX << 64;

/// All addresses with connections that are not known yet.
#[derive(Debug)]
pub struct Visitors {
    most: usize,
    strangers: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection.
#[derive(Debug)]
pub struct Visitor {
    visitors: Arc<Visitors>,
    address: IpAddr,
    has_asked: AtomicBool,
    is_known: AtomicBool,
}

impl Visitors {
    /// At most `most` strangers of each address; 0 is no bound.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, strangers: Mutex::default() })
    }

    /// Lets a connection in, if its address may have one more. A trusted proxy stands for many people and is not counted.
    pub fn arrives(self: &Arc<Self>, peer: IpAddr, trusted: bool) -> Option<Arc<Visitor>> {
        let (address, is_known) = (site(peer), trusted || self.most == 0);
        if !is_known {
            let mut strangers = self.lock();
            let count = strangers.entry(address).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        let (has_asked, is_known) = (AtomicBool::new(false), AtomicBool::new(is_known));
        Some(Arc::new(Visitor { visitors: self.clone(), address, has_asked, is_known }))
    }

    fn leaves(&self, address: IpAddr) {
        let mut strangers = self.lock();
        if let Some(count) = strangers.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                strangers.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn site(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_SITE).into(),
        address @ IpAddr::V4(_) => address,
    }
}

impl Visitor {
    /// A request came.
    pub fn asks(&self) {
        set(&self.has_asked);
    }

    /// Whether a request ever came.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Acquire)
    }

    /// A call was answered: this is no stranger any more.
    pub fn is_let_in(&self) {
        if set(&self.is_known) {
            self.visitors.leaves(self.address);
        }
    }
}

/// Whether this changed it. Reading first leaves the line in every core's cache.
fn set(flag: &AtomicBool) -> bool {
    !flag.load(Ordering::Acquire) && !flag.swap(true, Ordering::AcqRel)
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.is_let_in();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_bounded_by_address() {
        let visitors = Visitors::new(2);
        let arrives = |peer: &str| visitors.arrives(peer.parse().unwrap(), false);
        let (first, _second) = (arrives("192.0.2.1").unwrap(), arrives("::ffff:192.0.2.1").unwrap());
        assert!(arrives("192.0.2.1").is_none());
        assert!(arrives("192.0.2.2").is_some());
        assert!(visitors.arrives("192.0.2.1".parse().unwrap(), true).is_some());
        first.is_let_in();
        let third = arrives("192.0.2.1").unwrap();
        drop(first);
        assert!(arrives("192.0.2.1").is_none(), "who is known does not leave a second time");
        drop(third);
        assert!(arrives("192.0.2.1").is_some());
        let _site = (arrives("2001:db8::1").unwrap(), arrives("2001:db8::2").unwrap());
        assert!(arrives("2001:db8::3").is_none());
        assert!(arrives("2001:db8:0:1::3").is_some());
    }
}
