//! Which Confluence user a valid token acts as.

use restward_crds::{
    reason::Reason,
    sidecar::{Settings, settings::UsernameSource},
    text::Username,
};
use serde_json::Value;

use crate::{
    auth::{Permit, claims::LIGHTWEIGHT},
    refusal::Deny,
};

/// How Keycloak names the user that stands for a client in tokens of the client-credentials grant.
const SERVICE_ACCOUNT_PREFIX: &str = "service-account-";

/// The user that the token's username attribute names, or, for a token that a client got for itself, the user that
/// the policy maps the client to. There is no fallback to another claim: a user that can be chosen by leaving a claim
/// out is chosen by the caller.
///
/// # Errors
/// 403: the token is valid, but names nobody that could be a Confluence user.
pub fn resolve(settings: &Settings, permit: &Permit) -> Result<Username, Deny> {
    let user = resolve_any(settings, permit)?;
    if settings.denied_users.iter().any(|denied| denied.is_same_user(&user)) {
        return Err(Reason::UserDenied.into());
    }
    Ok(user)
}

fn resolve_any(settings: &Settings, permit: &Permit) -> Result<Username, Deny> {
    match service_account(permit) {
        None => named_user(settings, permit),
        Some(Client::Unproven) => Err(Deny::with_detail(
            Reason::UsernameUnusable,
            "The token's user is named like a service account, but the token was not given to that client for itself.",
        )),
        // Clients of one issuer are not those of another, whatever they call themselves.
        Some(Client::Known(client)) => settings
            .issuers
            .get(permit.issuer_index())
            .and_then(|issuer| issuer.service_accounts.iter().find(|(listed, _)| listed == client))
            .map(|(_, user)| user.clone())
            .ok_or_else(|| unmapped(client)),
    }
}

enum Client<'a> {
    /// The client that got the token for itself.
    Known(&'a str),
    /// The user's name says service account, the rest of the token does not.
    Unproven,
}

/// Keycloak's tokens of the client-credentials grant: the user is `service-account-<client id>`, and the token either
/// carries `client_id`, which Keycloak sets for this grant only, or belongs to no login session (`sid`). Both are
/// asked because in a realm with self-registration a person may have taken such a name.
fn service_account(permit: &Permit) -> Option<Client<'_>> {
    let user = permit.claim("preferred_username")?.as_str()?;
    let named = user.get(..SERVICE_ACCOUNT_PREFIX.len())?;
    if !named.eq_ignore_ascii_case(SERVICE_ACCOUNT_PREFIX) {
        return None;
    }
    let client = permit.client().filter(|client| {
        // Keycloak lower-cases user names, but not client ids.
        user.get(SERVICE_ACCOUNT_PREFIX.len()..)
            .is_some_and(|rest| rest.to_lowercase() == client.to_lowercase())
    });
    let has_client_id = permit.claim("client_id").and_then(Value::as_str) == client;
    match client {
        Some(client) if has_client_id || permit.claim("sid").is_none() => Some(Client::Known(client)),
        _ => Some(Client::Unproven),
    }
}

fn unmapped(client: &str) -> Deny {
    // The caller's own client id, written as JSON so that nothing in it can pretend to be something else.
    let client = Value::from(client);
    Deny::with_detail(
        Reason::ServiceAccountUnmapped,
        format!(
            "Add {{client: {client}, username: <Confluence user>}} to spec.serviceAccounts of the policy."
        ),
    )
}

fn named_user(settings: &Settings, permit: &Permit) -> Result<Username, Deny> {
    let (attribute, value) = match settings.username_of(permit.issuer_index()) {
        UsernameSource::Member(name) => (name, permit.claim(name)),
        UsernameSource::Pointer(pointer) => (pointer, permit.claim_at(pointer)),
    };
    let refuse = |what: String| Err(Deny::with_detail(Reason::UsernameUnusable, what));
    match value {
        None if permit.claims().is_lightweight() => refuse(LIGHTWEIGHT.into()),
        None => refuse(format!(
            "The token has no claim '{attribute}'. Does its client have the mapper or scope for it?"
        )),
        Some(Value::String(name)) => {
            // Checked before it is mapped, too: lower-casing makes ASCII letters of some that are none.
            let unusable =
                |error: String| refuse(format!("The claim '{attribute}' cannot be used: {error}."));
            match name.parse::<Username>() {
                Ok(name) => settings.username_mapping.apply(&name).or_else(unusable),
                Err(error) => unusable(error.to_string()),
            }
        }
        Some(_) => refuse(format!("The claim '{attribute}' is not a string.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{self, checks::testing::NOW, forge},
        keys::{IssuerKeys, Snapshot},
    };
    use serde_json::json;

    fn permit(claims: Value) -> Permit {
        let token = forge::rsa_key().token(&forge::header(), &forge::claims(claims));
        auth::authenticate(&forge::settings(json!({})), &forge::snapshot(), &token, NOW).unwrap()
    }

    fn resolved(attribute: &str, claims: Value) -> Result<String, Deny> {
        let settings = forge::settings(json!({
            "usernameAttribute": attribute,
            "serviceAccounts": [{"client": "Reports", "username": "svc-reports"}],
        }));
        resolve(&settings, &permit(claims)).map(|user| user.as_str().to_owned())
    }

    #[test]
    fn the_attribute_names_the_user_and_nothing_else_does() {
        let table = [
            ("preferred_username", json!({}), Some("alice")),
            ("preferred_username", json!({"preferred_username": "jürgen"}), Some("jürgen")),
            ("wiki.user", json!({"wiki.user": "bob", "wiki": {"user": "eve"}}), Some("bob")),
            ("/wiki/user", json!({"wiki.user": "eve", "wiki": {"user": "bob"}}), Some("bob")),
            ("/wiki~1x/0", json!({"wiki/x": ["bob"]}), Some("bob")),
            ("preferred_username", json!({"preferred_username": null, "email": "a@b", "sub": "alice"}), None),
            ("preferred_username", json!({"preferred_username": ""}), None),
            ("preferred_username", json!({"preferred_username": " alice"}), None),
            ("preferred_username", json!({"preferred_username": "a\r\nb"}), None),
            ("preferred_username", json!({"preferred_username": "anonymous"}), None),
            ("preferred_username", json!({"preferred_username": "adm\u{131}n"}), None),
            ("preferred_username", json!({"preferred_username": 7}), None),
            ("preferred_username", json!({"preferred_username": ["alice"]}), None),
            ("preferred_username", json!({"preferred_username": {"a": 1}}), None),
        ];
        for (attribute, claims, want) in table {
            let got = resolved(attribute, claims.clone());
            assert_eq!(got.as_deref().ok(), want, "{attribute} in {claims}");
            if let Err(deny) = got {
                assert_eq!(deny.reason, Reason::UsernameUnusable, "{claims}");
            }
        }
    }

    #[test]
    fn clients_act_as_whom_the_policy_maps_them_to() {
        let cc = |client: &str, user: &str| json!({"azp": client, "client_id": client, "preferred_username": user});
        assert_eq!(
            resolved("preferred_username", cc("Reports", "service-account-reports")).unwrap(),
            "svc-reports"
        );
        let without_client_id = json!({"azp": "Reports", "preferred_username": "service-account-reports"});
        assert_eq!(resolved("preferred_username", without_client_id).unwrap(), "svc-reports");

        let deny = resolved("preferred_username", cc("builds", "service-account-builds")).unwrap_err();
        assert_eq!(deny.reason, Reason::ServiceAccountUnmapped);
        assert!(deny.detail.unwrap().contains("{client: \"builds\", username: "));
        // Client ids are compared exactly, and another attribute does not get around the map.
        for (client, attribute) in [("reports", "preferred_username"), ("builds", "wiki")] {
            let mut claims = cc(client, &format!("service-account-{client}"));
            claims["wiki"] = json!("admin");
            let deny = resolved(attribute, claims).unwrap_err();
            assert_eq!(deny.reason, Reason::ServiceAccountUnmapped, "{client}");
        }
    }

    #[test]
    fn a_person_with_a_service_accounts_name_is_no_service_account() {
        for claims in [
            json!({"azp": "Reports", "preferred_username": "service-account-reports", "sid": "s"}),
            json!({"azp": "app", "client_id": "app", "preferred_username": "service-account-reports"}),
            json!({"azp": null, "preferred_username": "service-account-reports"}),
            json!({"azp": "Reports", "preferred_username": "Service-Account-reports", "sid": "s", "client_id": "x"}),
            json!({"azp": "app", "preferred_username": "service-account-"}),
        ] {
            let deny = resolved("preferred_username", claims.clone()).unwrap_err();
            assert_eq!(deny.reason, Reason::UsernameUnusable, "{claims}");
        }
    }

    #[test]
    fn issuers_have_their_own_attribute_and_service_accounts() {
        let other = "https://login.example.com";
        let settings = forge::settings(json!({
            "serviceAccounts": [{"client": "Reports", "username": "svc-reports"}],
            "openIdIssuers": [{
                "issuer": other, "audiences": ["account"], "usernameAttribute": "email",
                "serviceAccounts": [{"client": "builds", "username": "svc-builds"}],
            }],
        }));
        let issuers = ["https://sso.example.com/realms/wiki", other]
            .map(|name| IssuerKeys { names: vec![name.into()], ..forge::issuer_keys() });
        let keys = Snapshot::new(issuers.into());
        let of = |iss: &str, claims: Value| {
            let claims = forge::laid_over(json!({ "iss": iss }), claims);
            let token = forge::rsa_key().token(&forge::header(), &forge::claims(claims));
            let permit = auth::authenticate(&settings, &keys, &token, NOW).unwrap();
            resolve(&settings, &permit).map(|user| user.as_str().to_owned()).map_err(|deny| deny.reason)
        };
        let first = "https://sso.example.com/realms/wiki";
        let names = json!({"preferred_username": "alice", "email": "bob"});
        assert_eq!(of(first, names.clone()).unwrap(), "alice");
        assert_eq!(of(other, names).unwrap(), "bob");
        let client = |id: &str| json!({"azp": id, "client_id": id, "preferred_username": format!("service-account-{id}")});
        assert_eq!(of(first, client("Reports")).unwrap(), "svc-reports");
        assert_eq!(of(other, client("builds")).unwrap(), "svc-builds");
        assert_eq!(of(other, client("Reports")), Err(Reason::ServiceAccountUnmapped));
        assert_eq!(of(first, client("builds")), Err(Reason::ServiceAccountUnmapped));
    }
}
