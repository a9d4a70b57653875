//! A header that Confluence's authenticator believes. It is a login without a password for whoever reaches Confluence:
//! who may be named by it, and while what is known of the ways to Confluence, is decided elsewhere ([`crate::verify`]).

use http::{HeaderMap, HeaderName, HeaderValue};
use restward_crds::{
    reason::Reason,
    text::{UserHeader, Username},
};

use super::{Outgoing, rewrite, strip};
use crate::refusal::Deny;

/// The header.
#[derive(Debug, Clone)]
pub struct Header {
    name: UserHeader,
}

impl Header {
    /// The header of this name.
    pub fn new(name: UserHeader) -> Self {
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &UserHeader {
        &self.name
    }

    /// Removes every copy, in every spelling that a server could take for it.
    pub(super) fn remove(&self, headers: &mut HeaderMap) {
        strip::remove_if(headers, |name| self.name.is_spelled(name));
    }

    /// Names `user` in the request.
    pub(super) fn assert(&self, user: &Username, request: &mut Outgoing) -> Result<(), Deny> {
        let value = value(user)?;
        let name = HeaderName::from_bytes(self.name.as_str().as_bytes())
            .map_err(|_| Deny::from(Reason::UpstreamRejected))?;
        rewrite::without_users(request, None);
        self.remove(&mut request.headers);
        request.headers.insert(name, value);
        Ok(())
    }
}

/// Tomcat reads headers as Latin-1 and trims them, so that any other name would be another user's.
fn value(user: &Username) -> Result<HeaderValue, Deny> {
    let unusable = || {
        let detail =
            "Confluence is told its users by a header, which carries names of visible ASCII characters only.";
        Deny::with_detail(Reason::UsernameUnusable, detail)
    };
    let name = user.as_str();
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable());
    }
    let mut value = HeaderValue::from_str(name).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
