//! Password logins that the policy lets through although it audits or denies the others. Pure.

use std::net::IpAddr;

use restward_crds::{sidecar::basic::BasicExceptionSettings, text::Username};

/// A password login, or a request that may turn out to be one.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Every path below the context path that it may come to mean.
    pub paths: &'a [String],
    /// Who logs in, when that is beyond doubt.
    pub user: Option<&'a str>,
    /// Address of the caller.
    pub client: IpAddr,
}

/// Whether one of the exceptions is about it. What can be read in several ways must be excepted in each, by one of them.
pub fn hold(exceptions: &[BasicExceptionSettings], attempt: Attempt<'_>) -> bool {
    exceptions.iter().any(|exception| holds(exception, attempt))
}

fn holds(exception: &BasicExceptionSettings, attempt: Attempt<'_>) -> bool {
    let BasicExceptionSettings { users, paths, presets, cidrs } = exception;
    let is_meant = |path: &String| {
        paths.iter().any(|wanted| wanted.matches(path)) || presets.iter().any(|preset| preset.contains(path))
    };
    let is_place = (paths.is_empty() && presets.is_empty())
        || (!attempt.paths.is_empty() && attempt.paths.iter().all(is_meant));
    let user = || attempt.user.and_then(|user| user.parse::<Username>().ok());
    let is_user = users.is_empty()
        || user().is_some_and(|user| users.iter().any(|excepted| excepted.is_same_user(&user)));
    is_place && is_user && (cidrs.is_empty() || cidrs.iter().any(|cidr| cidr.contains(attempt.client)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "exceptions are written where they are used")]
    fn exceptions(written: Value) -> Vec<BasicExceptionSettings> {
        let config = json!({
            "version": 1, "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1}, "mode": "Enforce",
            "issuers": [{"host": "sso.example.com", "realm": "r"}], "usernameAttribute": "preferred_username",
            "basicAuth": "Deny", "basicAuthExceptions": written, "credentials": {},
            "upstream": {"identity": {"oauth1": {"consumerKey": "sidecar"}}}
        });
        restward_crds::sidecar::parse::from_json(config.to_string().as_bytes()).unwrap().basic_auth_exceptions
    }

    fn is_excepted(written: Value, user: Option<&str>, paths: &[&str]) -> bool {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let client = "10.1.2.3".parse().unwrap();
        hold(&exceptions(written), Attempt { paths: &paths, user, client })
    }

    #[test]
    fn an_exception_is_about_what_fits_all_of_it() {
        let (svc, rest) = (Some("svc"), "/rest/api/content");
        let under_rest = json!([{"type": "PathPrefix", "value": "/rest"}]);
        for (written, user, path, want) in [
            (json!([]), svc, rest, false),
            (json!([{"users": ["SVC"]}]), svc, rest, true),
            (json!([{"users": ["svc"]}]), Some("bob"), rest, false),
            (json!([{"users": ["svc"]}]), None, rest, false),
            (json!([{"paths": under_rest}]), None, rest, true),
            (json!([{"paths": under_rest}]), svc, "/display/x", false),
            (json!([{"cidrs": ["10.0.0.0/8"]}]), None, rest, true),
            (json!([{"cidrs": ["192.0.2.0/24"]}]), svc, rest, false),
            (json!([{"users": ["svc"], "cidrs": ["192.0.2.0/24"]}]), svc, rest, false),
            (json!([{"users": ["svc"], "paths": under_rest, "cidrs": ["10.0.0.0/8"]}]), svc, rest, true),
            (json!([{"users": ["bob"]}, {"users": ["svc"]}]), svc, rest, true),
            (json!([{"presets": ["WebDAV"]}]), None, "/plugins/servlet/confluence/default/DS", true),
            (json!([{"presets": ["WebDAV"]}]), None, "/plugins/servlet/confluence/defaults", false),
            (json!([{"presets": ["Feeds"]}]), None, "/spaces/createrssfeed.action", true),
            (json!([{"presets": ["Feeds"]}]), None, rest, false),
            (json!([{"presets": ["Feeds"], "paths": under_rest}]), None, rest, true),
        ] {
            assert_eq!(is_excepted(written.clone(), user, &[path]), want, "{written} {user:?} {path}");
        }
    }

    #[test]
    fn every_reading_of_the_path_must_be_meant() {
        let written = json!([{"paths": [{"type": "PathPrefix", "value": "/rest/api"}]}]);
        assert!(is_excepted(written.clone(), None, &["/rest/api/a", "/rest/api/b"]));
        assert!(!is_excepted(written.clone(), None, &["/rest/api/a", "/rpc/xmlrpc"]));
        assert!(!is_excepted(written, None, &[]));
    }
}
