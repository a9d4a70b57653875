//! The request target, parsed once: what is forwarded (as sent) and every way in which Tomcat or Confluence may
//! come to read its path. Decisions use the readings; the strictest wins (see [`crate::route`]).

mod canonical;

use http::{Method, Uri};
use restward_crds::reason::Reason;

/// A request target in origin form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    raw_path: String,
    query: Option<String>,
    readings: Vec<String>,
    is_plain: bool,
}

impl Target {
    /// Longest accepted target, below Tomcat's limit of 8 KiB for the whole head.
    const MAX_LENGTH: usize = 8000;

    /// Parses the target of a request line.
    ///
    /// # Errors
    /// What two parsers could read differently, and what Tomcat answers with 400.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Self, Reason> {
        if method == Method::CONNECT || method == Method::TRACE || method.as_str() == "TRACK" {
            return Err(Reason::MethodNotAllowed);
        }
        // Absolute form names a second host beside the Host header, and `*` names no resource (RFC 9112 section 3.2).
        if uri.authority().is_some() || uri.scheme().is_some() || !uri.path().starts_with('/') {
            return Err(Reason::AmbiguousTarget);
        }
        if uri.path_and_query().is_none_or(|target| target.as_str().len() > Self::MAX_LENGTH) {
            return Err(Reason::HeadersTooLarge);
        }
        let readings = canonical::readings(uri.path()).ok_or(Reason::AmbiguousTarget)?;
        Ok(Self {
            is_plain: readings.first().is_some_and(|first| first == uri.path()),
            raw_path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            readings,
        })
    }

    /// The path as sent.
    pub fn raw_path(&self) -> &str {
        &self.raw_path
    }

    /// The query as sent, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Path and query as sent.
    pub fn as_sent(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.raw_path),
            None => self.raw_path.clone(),
        }
    }

    /// The path as Tomcat maps it: decoded, without parameters, dot segments and doubled slashes.
    pub fn path(&self) -> &str {
        self.readings.first().map_or("/", String::as_str)
    }

    /// Every path that this target may come to mean, Tomcat's first.
    pub fn readings(&self) -> &[String] {
        &self.readings
    }

    /// Whether the path was sent in its canonical form, so that nobody can read it differently.
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

#[cfg(test)]
mod tests;
