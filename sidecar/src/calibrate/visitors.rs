//! Whether Confluence serves visitors, who have not logged in, and what that means under the policy. Pure.

use http::StatusCode;
use restward_crds::{
    advisory::Advisory,
    sidecar::{
        Settings,
        terms::{Mode, Switch},
    },
};
use serde_json::{Map, Value};

use crate::loopback::Answer;

/// What is known about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visitors {
    /// Nothing yet.
    #[default]
    Unknown,
    /// They may use Confluence: the wiki is public.
    Served,
    /// They may not.
    Refused,
}

impl Visitors {
    /// Takes in how a call of [`crate::current_user::PATH`] without a credential was answered. What says nothing, as while
    /// Confluence restarts, changes nothing.
    #[must_use]
    pub fn after(self, answer: Option<&Answer>) -> Self {
        match answer.map(|answer| (answer.status, is_anonymous(answer))) {
            Some((StatusCode::OK, true)) => Self::Served,
            // "Can use" is asked for before any resource of the REST API (Confluence's CanUseFilter).
            Some((StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => Self::Refused,
            _ => self,
        }
    }
}

/// Whether it is the resource's own answer about nobody, not a login page of somebody else.
fn is_anonymous(answer: &Answer) -> bool {
    let user: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
    user.is_some_and(|user| user.get("type").is_some_and(|kind| kind == "anonymous"))
}

/// For status, when the wiki is public.
pub fn advice(visitors: Visitors, settings: &Settings) -> Option<String> {
    if visitors != Visitors::Served {
        return None;
    }
    let what = match (settings.mode, settings.credentials.anonymous) {
        (Mode::Audit | Mode::Off, _) => {
            "Calls of the REST API without a credential are served as anonymous too, as spec.mode is not Enforce"
        }
        (Mode::Enforce, Switch::Allow | Switch::Audit) => {
            "Calls of the REST API without a credential are served as anonymous too: set spec.credentials.anonymous to Deny \
             unless that is meant"
        }
        (Mode::Enforce, Switch::Deny) => {
            "Calls of the REST API without a credential are served as anonymous on the paths of spec.anonymousPaths and refused \
             on others, which the pages of a public wiki call: if it is meant to be public, set spec.credentials.anonymous to Allow"
        }
    };
    Some(Advisory::AnonymousAccessEnabled.says(format_args!(
        "Confluence serves visitors who have not logged in. {what}. To close the wiki to them, take \
         'can use' from Anonymous in Confluence's global permissions"
    )))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::auth::forge;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status: status.try_into().unwrap(), headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    const NOBODY: &str = r#"{"type":"anonymous","displayName":"Anonymous"}"#;

    #[test]
    fn only_an_answer_about_it_changes_what_is_known() {
        use Visitors::{Refused, Served, Unknown};
        for (status, body, want) in [
            (200, NOBODY, Some(Served)),
            (401, "", Some(Refused)),
            (403, r#"{"statusCode":403}"#, Some(Refused)),
            (404, "", None),
            (200, "<html>Log in</html>", None),
            (200, r#"{"type":"known","username":"alice"}"#, None),
            (302, "", None),
            (429, "", None),
            (503, NOBODY, None),
        ] {
            for before in [Unknown, Served, Refused] {
                let after = before.after(Some(&answer(status, body)));
                assert_eq!(after, want.unwrap_or(before), "{status} {body} after {before:?}");
            }
        }
        assert_eq!([Unknown, Served, Refused].map(|it| it.after(None)), [Unknown, Served, Refused]);
    }

    #[test]
    fn the_advice_names_the_switch_that_counts() {
        for (mode, anonymous, says) in [
            ("Enforce", "Deny", "set spec.credentials.anonymous to Allow"),
            ("Enforce", "Allow", "set spec.credentials.anonymous to Deny"),
            ("Enforce", "Audit", "set spec.credentials.anonymous to Deny"),
            ("Audit", "Deny", "spec.mode is not Enforce"),
            ("Off", "Deny", "spec.mode is not Enforce"),
        ] {
            let settings = forge::settings(json!({"mode": mode, "credentials": {"anonymous": anonymous}}));
            let said = advice(Visitors::Served, &settings).unwrap();
            assert!(
                said.starts_with("AnonymousAccessEnabled: ") && said.contains(says),
                "{mode} {anonymous}: {said}"
            );
            for silent in [Visitors::Unknown, Visitors::Refused] {
                assert_eq!(advice(silent, &settings), None);
            }
        }
    }
}
