//! Checked strings. Untrusted text becomes one of these types once, at the door.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod address;
mod harmless;
mod header;
mod page;
mod timestamp;

pub use address::{Authority, KeycloakBase};
pub use harmless::harmless;
pub use header::{UserHeader, folds_to, folds_to_start};
pub use page::PageUrl;
pub use timestamp::Timestamp;

/// Why a text is not what it should be; says what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(String);

fn refuse<T>(message: impl Into<String>) -> Result<T, TextError> {
    Err(TextError(message.into()))
}

/// A Confluence user name that is safe to assert: 1 to 255 characters, no control, no invisible and no
/// direction characters, no blanks around it, and not a name that means nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Whether Confluence takes both for one user: it compares without regard to case. Letters that its Java folds
    /// otherwise than Unicode does are in no [`Username`].
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.0.to_lowercase() == other.0.to_lowercase()
    }

    /// The name as the identity provider or the policy spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.is_empty() || text.chars().count() > 255 {
            return refuse("a user name has 1 to 255 characters");
        }
        if text.trim() != text {
            return refuse("a user name has no blanks around it");
        }
        if text.chars().any(is_unsafe_in_a_name) {
            return refuse("a user name has no control, invisible or direction characters");
        }
        if text.chars().any(folds_into_ascii) {
            return refuse("the user name has a letter that Java's case folding turns into an ASCII letter");
        }
        if text.eq_ignore_ascii_case("anonymous") {
            return refuse("'anonymous' names no user");
        }
        Ok(Self(text.to_owned()))
    }
}

/// C0, C1, DEL, separators, zero-width, direction marks, tags, BOM, surrogate replacements.
fn is_unsafe_in_a_name(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFD}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Java's `equalsIgnoreCase` and `toLowerCase` make i, I, k and s of these (dotless and dotted i, Kelvin sign,
/// long s), so that two spellings would name one user.
fn folds_into_ascii(c: char) -> bool {
    matches!(c, '\u{0130}' | '\u{0131}' | '\u{017F}' | '\u{212A}')
}

/// Addresses: one, or a network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr(ipnet::IpNet);

impl Cidr {
    /// Whether `address` is among them.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether these are all addresses of a family.
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for Cidr {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
        network.map(Self).or_else(|_| refuse("is no address and no network such as 10.0.0.0/8"))
    }
}

/// A duration in Go's notation: `30s`, `5m`, `1h30m`, `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl FromStr for GoDuration {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        const EXPECTED: &str = "a duration is written as 250ms, 30s, 5m or 1h30m";
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
            let (unit, tail) = tail.split_at(letters);
            let Ok(number) = number.parse::<u32>() else { return refuse(EXPECTED) };
            let unit = match unit {
                "h" => Duration::from_hours(1),
                "m" => Duration::from_mins(1),
                "s" => Duration::from_secs(1),
                "ms" => Duration::from_millis(1),
                _ => return refuse(EXPECTED),
            };
            let Some(sum) = unit.checked_mul(number).and_then(|part| total.checked_add(part)) else {
                return refuse("the duration is too long");
            };
            total = sum;
            rest = tail;
        }
        if text.is_empty() { refuse(EXPECTED) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) { write!(f, "{}s", millis / 1000) } else { write!(f, "{millis}ms") }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "kubernetes")]
impl schemars::JsonSchema for GoDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^([0-9]{1,9}(h|m|s|ms))+$", "maxLength": 32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_that_could_be_somebody_else_are_refused() {
        for name in ["alice", "Alice.Smith", "jürgen", "a b", "a@b+c%d", "svc-reports", "李雷"] {
            assert!(name.parse::<Username>().is_ok(), "{name}");
        }
        let long = "x".repeat(256);
        let bad = [
            "",
            " ",
            " a",
            "a\u{a0}",
            "a\r\nb",
            "a\0",
            "a\u{200b}",
            "\u{202e}a",
            "adm\u{131}n",
            "\u{212a}im",
            "Anonymous",
            &long,
        ];
        for name in bad {
            assert!(name.parse::<Username>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn durations_are_written_as_in_go() {
        let table = [("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)];
        for (text, millis) in table {
            assert_eq!(text.parse::<GoDuration>().unwrap().0, Duration::from_millis(millis), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "1d", "99999999999s"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }
}
