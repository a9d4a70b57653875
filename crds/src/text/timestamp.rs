//! Points in time.

use std::{fmt, str::FromStr};

use jiff::fmt::rfc2822;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{TextError, refuse};

/// A point in time of this century in whole seconds, written as RFC 3339 does: `2026-12-31T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn secs(self) -> i64 {
        self.0.as_second()
    }

    /// As HTTP writes it (RFC 9110 section 5.6.7): `Thu, 31 Dec 2026 00:00:00 GMT`.
    pub fn http_date(self) -> String {
        // Fails for years before 0 only.
        rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.0).unwrap_or_default()
    }
}

impl FromStr for Timestamp {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(time) if text.starts_with("20") && time.subsec_nanosecond() == 0 => Ok(Self(time)),
            _ => refuse("a time is written as 2026-12-31T00:00:00Z or 2026-12-31T00:00:00+01:00"),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The API server checks the format too, so that a 30th of February never gets in: what could not be read here would keep
/// the operator from reading any policy.
#[cfg(feature = "kubernetes")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "format": "date-time", "maxLength": 25,
            "pattern": "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339_and_in_http() {
        for text in ["2026-12-31T00:00:00Z", "2026-12-31T01:30:00+01:30", "2026-12-30T19:00:00-05:00"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!((time.secs(), time.to_string().as_str()), (1_798_675_200, "2026-12-31T00:00:00Z"));
            assert_eq!(time.http_date(), "Thu, 31 Dec 2026 00:00:00 GMT");
        }
        for text in [
            "",
            "2026-12-31",
            "2026-12-31T00:00:00",
            "2026-02-30T00:00:00Z",
            "2026-12-31T00:00:00.5Z",
            "1999-12-31T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "1798675200",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
