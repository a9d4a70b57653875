//! How password logins end: announced, refused on trial, then for good. What is written, what it becomes when parsed, and
//! what holds at which time.

use serde::{Deserialize, Serialize};

use super::parse::Errors;
use crate::text::{PageUrl, Timestamp};

/// The announced end of password logins. Answers to them say so by `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and
/// `Link`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicDeprecation {
    /// Since when password logins are deprecated; may lie ahead. Such as `2026-10-01T00:00:00Z`.
    pub since: Timestamp,
    /// When they end: from then on they are refused as with mode Deny.
    pub sunset: Timestamp,
    /// Page that says what to do instead, `https` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "kubernetes",
        schemars(length(max = 1024), regex(pattern = r"^https://[^\s/?#@]+([/?#]\S*)?$"))
    )]
    pub documentation: Option<String>,
    /// Times between `since` and `sunset` at which they are refused on trial, so that those who read no headers notice.
    /// They must not overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32)))]
    pub brown_outs: Vec<BrownOut>,
}

/// A time at which password logins are refused on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BrownOut {
    /// From here on.
    pub start: Timestamp,
    /// Until here.
    pub end: Timestamp,
}

/// A [`BasicDeprecation`], parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeprecationSettings {
    /// `since`.
    pub since: Timestamp,
    /// `sunset`.
    pub sunset: Timestamp,
    /// `documentation`.
    pub documentation: Option<PageUrl>,
    /// `brownOuts`.
    pub brown_outs: Vec<BrownOut>,
}

/// How far the end of password logins has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They pass, where the policy lets them.
    Announced,
    /// They are refused on trial until then.
    BrownOut(Timestamp),
    /// They are refused for good.
    Over,
}

impl DeprecationSettings {
    /// How far it has come at `now` (seconds since 1970), to the second: a tolerance for clocks would be a longer life.
    pub fn phase(&self, now: i64) -> Phase {
        if self.sunset.secs() <= now {
            return Phase::Over;
        }
        let is_on = |brown_out: &&BrownOut| (brown_out.start.secs()..brown_out.end.secs()).contains(&now);
        self.brown_outs
            .iter()
            .find(is_on)
            .map_or(Phase::Announced, |brown_out| Phase::BrownOut(brown_out.end))
    }

    pub(super) fn parse(deprecation: BasicDeprecation, errors: &mut Errors) -> Self {
        let BasicDeprecation { since, sunset, documentation, brown_outs } = deprecation;
        let at = |name: &str| format!("basicAuth.deprecation.{name}");
        // RFC 9745 section 4.
        errors.require(since <= sunset, &at("sunset"), "must not be earlier than since");
        for (index, BrownOut { start, end }) in brown_outs.iter().enumerate() {
            let field = at(&format!("brownOuts[{index}]"));
            errors.require(start < end, &field, "must end after its start");
            errors.require(since <= *start && *end <= sunset, &field, "must lie between since and sunset");
            let overlaps = |other: &BrownOut| *start < other.end && other.start < *end;
            errors.require(
                !brown_outs.iter().take(index).any(overlaps),
                &field,
                "overlaps with an earlier one",
            );
        }
        let documentation = documentation.as_deref().and_then(|text| errors.text(at("documentation"), text));
        Self { since, sunset, documentation, brown_outs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(since: &str, sunset: &str, brown_outs: &[(&str, &str)]) -> (DeprecationSettings, Vec<String>) {
        let time = |text: &str| format!("2026-12-{text}:00:00Z").parse::<Timestamp>().unwrap();
        let deprecation = BasicDeprecation {
            since: time(since),
            sunset: time(sunset),
            documentation: None,
            brown_outs: brown_outs
                .iter()
                .map(|(start, end)| BrownOut { start: time(start), end: time(end) })
                .collect(),
        };
        let mut errors = Errors::default();
        let settings = DeprecationSettings::parse(deprecation, &mut errors);
        (settings, errors.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_second_has_its_phase() {
        let (settings, errors) = parsed("01T00", "31T00", &[("20T09", "20T10"), ("10T09", "10T10")]);
        assert_eq!(errors, [""; 0]);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let trial = Phase::BrownOut(time("2026-12-10T10:00:00Z"));
        for (now, want) in [
            ("2026-11-01T00:00:00Z", Phase::Announced),
            ("2026-12-10T08:59:59Z", Phase::Announced),
            ("2026-12-10T09:00:00Z", trial),
            ("2026-12-10T09:59:59Z", trial),
            ("2026-12-10T10:00:00Z", Phase::Announced),
            ("2026-12-20T09:30:00Z", Phase::BrownOut(time("2026-12-20T10:00:00Z"))),
            ("2026-12-30T23:59:59Z", Phase::Announced),
            ("2026-12-31T00:00:00Z", Phase::Over),
            ("2099-01-01T00:00:00Z", Phase::Over),
        ] {
            assert_eq!(settings.phase(time(now).secs()), want, "{now}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let first = "basicAuth.deprecation.brownOuts[0]";
        let second = "basicAuth.deprecation.brownOuts[1]";
        for (since, sunset, brown_outs, want) in [
            ("02T00", "01T00", &[][..], "basicAuth.deprecation.sunset: must not be earlier than since"),
            ("01T00", "31T00", &[("10T09", "10T09")][..], &format!("{first}: must end after its start")),
            (
                "05T00",
                "31T00",
                &[("04T09", "04T10")][..],
                &format!("{first}: must lie between since and sunset"),
            ),
            (
                "05T00",
                "30T00",
                &[("29T09", "31T00")][..],
                &format!("{first}: must lie between since and sunset"),
            ),
            (
                "01T00",
                "31T00",
                &[("10T09", "10T11"), ("10T10", "10T12")][..],
                &format!("{second}: overlaps with an earlier one"),
            ),
            (
                "01T00",
                "31T00",
                &[("10T09", "10T11"), ("10T09", "10T11")][..],
                &format!("{second}: overlaps with an earlier one"),
            ),
        ] {
            assert_eq!(parsed(since, sunset, brown_outs).1, [want], "{brown_outs:?}");
        }
        assert!(parsed("01T00", "31T00", &[("10T09", "10T10"), ("10T10", "10T11")]).1.is_empty());
    }
}
