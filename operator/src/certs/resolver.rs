//! The leaf that the TLS server shows, swapped while it serves.

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{issue::Leaf, plan::Authority};

/// Holds the leaf; empty until the first one was made.
#[derive(Debug, Default)]
pub(super) struct Resolver(ArcSwapOption<Leaf>);

impl Resolver {
    /// Serves this leaf from now on.
    pub(super) fn serve(&self, leaf: Leaf) {
        self.0.store(Some(Arc::new(leaf)));
    }

    /// Whether a leaf is served that is valid now.
    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        self.0.load().as_ref().is_some_and(|leaf| leaf.not_before <= now && now < leaf.not_after)
    }

    /// When the leaf that is served ends.
    pub(super) fn not_after(&self) -> Option<SystemTime> {
        self.0.load().as_ref().map(|leaf| leaf.not_after)
    }

    /// Whether another leaf should be made: the one served is old, or from a time to come (the clock went back), or another
    /// authority's.
    pub(super) fn is_due(&self, authority: &Authority, now: SystemTime) -> bool {
        self.0.load().as_ref().is_none_or(|leaf| {
            now >= leaf.renew_at || now < leaf.not_before || leaf.authority != authority.certificate
        })
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|leaf| Arc::clone(&leaf.certified))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::issue, *};

    #[test]
    fn a_leaf_is_due_when_it_is_old_or_of_another_authority() {
        let now = SystemTime::now();
        let authority = issue::authority(now).unwrap();
        let resolver = Resolver::default();
        assert!(resolver.is_due(&authority, now) && !resolver.is_valid(now));
        resolver.serve(issue::leaf(&authority, &["a.svc".to_owned()], now).unwrap());
        let days = |n: u64| now + Duration::from_secs(n * 24 * 3600);
        assert!(resolver.is_valid(now) && !resolver.is_due(&authority, days(4)));
        assert!(resolver.is_due(&authority, days(5)) && resolver.is_valid(days(5)));
        assert!(!resolver.is_valid(days(365)));
        let before = now - Duration::from_hours(366 * 24);
        assert!(!resolver.is_valid(before) && resolver.is_due(&authority, before), "the clock went back");
        assert!(resolver.is_due(&issue::authority(now).unwrap(), now));
    }
}
