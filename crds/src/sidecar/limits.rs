//! How often a caller may call: words that the policy and the configuration share, and what they become when parsed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parse::Errors;
use crate::text::GoDuration;

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum RateKey {
    /// Those of one Confluence user, by token.
    User,
    /// Those of one client of the identity provider.
    Client,
    /// Those from one address, whatever their credential; of IPv6 those of one /64 network.
    Address,
}

/// How often a caller may call the API. Each sidecar counts for itself. Browser sessions are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// User and Client count calls with tokens. Address counts every call with a credential, valid or not; behind a load
    /// balancer the address is known by `trustedProxies` only.
    pub key: RateKey,
    /// How many calls in each period.
    #[cfg_attr(feature = "kubernetes", schemars(range(min = 1, max = 1_000_000)))]
    pub requests: u32,
    /// The period, `1s` to `1h`.
    pub period: GoDuration,
    /// How many calls may come at once. Default: as many as in a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kubernetes", schemars(range(min = 1, max = 1_000_000)))]
    pub burst: Option<u32>,
}

/// A [`RateLimit`], parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// Whose calls are counted together.
    pub key: RateKey,
    /// How many calls in each period; never 0.
    pub requests: u32,
    /// The period.
    pub period: Duration,
    /// How many calls may come at once; never 0.
    pub burst: u32,
}

impl RateLimitSettings {
    const MAX_REQUESTS: u32 = 1_000_000;

    pub(super) fn parse(index: usize, limit: RateLimit, errors: &mut Errors) -> Self {
        let at = |name: &str| format!("rateLimits[{index}].{name}");
        let RateLimit { key, requests, period, burst } = limit;
        let burst = burst.unwrap_or(requests);
        for (name, count) in [("requests", requests), ("burst", burst)] {
            errors.require((1..=Self::MAX_REQUESTS).contains(&count), &at(name), "must be 1 to 1000000");
        }
        let is_period = (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&period.0);
        errors.require(is_period, &at("period"), "must be 1s to 1h");
        Self { key, requests, period: period.0, burst }
    }
}
