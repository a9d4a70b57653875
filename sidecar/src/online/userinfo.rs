//! The userinfo endpoint (OpenID Connect Core, section 5.3): answers only while the token is good, and names the user. Pure.

use http::{HeaderValue, StatusCode};
use restward_crds::reason::Reason;
use url::Url;

use super::Refused;
use crate::{
    auth::{RawToken, claims::Claims, json},
    keys::fetch::{Call, Reply},
};

/// What an answer about the user never changes: what the token is, for whom and for how long. An answer about a person may
/// hold whatever an administrator maps into it.
const OF_THE_TOKEN: [&str; 13] =
    ["iss", "typ", "exp", "nbf", "iat", "aud", "azp", "client_id", "sid", "jti", "cnf", "scope", "sub"];

/// The question; `None`: the token cannot stand in a header.
pub fn call(url: Url, token: &RawToken) -> Option<Call> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.as_str())).ok()?;
    authorization.set_sensitive(true);
    Some(Call { url, authorization: Some(authorization), form: None })
}

/// The token's claims, with what the answer says about the user laid over them.
///
/// # Errors
/// The token is not good, or the answer cannot be used.
pub fn read(reply: &Reply, token: &Claims) -> Result<Claims, Refused> {
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(Refused::Inactive),
        StatusCode::FORBIDDEN if reply.challenge.contains("insufficient_scope") => {
            return Err(Refused::OpenidMissing);
        }
        _ => return Err(Refused::Unexpected),
    }
    let answer = json::object(&reply.body).map_err(|_| Refused::Unexpected)?;
    let told = answer.get("sub").and_then(serde_json::Value::as_str);
    // Section 5.3.2: the answer must be about the token's subject, or not be used.
    let is_about_it = told.is_some() && token.sub.as_deref().is_none_or(|own| told == Some(own));
    if !is_about_it {
        return Err(Refused::Unexpected);
    }
    let mut members = token.members().clone();
    for (name, value) in answer {
        if !OF_THE_TOKEN.contains(&name.as_str()) || (name == "sub" && token.sub.is_none()) {
            members.insert(name, value);
        }
    }
    Claims::from_members(members).map_err(|_: Reason| Refused::Unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::checks::testing::claims_json;
    use serde_json::{Value, json};

    fn token(changes: Value) -> Claims {
        Claims::parse(claims_json(changes).to_string().as_bytes()).unwrap()
    }

    fn told(status: u16, challenge: &str, body: &str, token: &Claims) -> Result<Claims, Refused> {
        let status = StatusCode::from_u16(status).unwrap();
        read(&Reply { status, challenge: challenge.to_owned(), body: body.as_bytes().to_vec() }, token)
    }

    #[test]
    fn only_an_answer_about_the_tokens_subject_counts() {
        let token = token(json!({}));
        let good = r#"{"sub":"s-1","preferred_username":"alice"}"#;
        let missing =
            r#"Bearer realm="x", error="insufficient_scope", error_description="Missing openid scope""#;
        assert!(told(200, "", good, &token).is_ok());
        let table = [
            (200, "", r#"{"preferred_username":"alice"}"#, Refused::Unexpected),
            (200, "", r#"{"sub":"s-2","preferred_username":"bob"}"#, Refused::Unexpected),
            (200, "", r#"{"sub":["s-1"]}"#, Refused::Unexpected),
            (200, "", r#"{"sub":"s-2","sub":"s-1"}"#, Refused::Unexpected),
            (200, "", "", Refused::Unexpected),
            (302, "", good, Refused::Unexpected),
            (401, "", good, Refused::Inactive),
            (403, missing, good, Refused::OpenidMissing),
            (403, "", good, Refused::Unexpected),
        ];
        for (status, challenge, body, want) in table {
            assert_eq!(told(status, challenge, body, &token), Err(want), "{status} {body}");
        }
    }

    #[test]
    fn the_answer_names_the_user_and_changes_nothing_else() {
        let token = token(json!({"aud": "wiki", "scope": "openid"}));
        let answer = json!({
            "sub": "s-1", "preferred_username": "alice2", "groups": ["/staff"], "aud": "admin", "azp": "evil",
            "client_id": "reports", "exp": 1, "iss": "x", "typ": "ID", "scope": "root", "sid": "x", "cnf": {"jkt": "x"},
        });
        let claims = told(200, "", &answer.to_string(), &token).unwrap();
        assert_eq!(claims.member("preferred_username"), Some(&json!("alice2")));
        assert!(claims.grants.is_in_group("/staff") && !claims.grants.has_scope("root"));
        assert_eq!((&claims.aud, claims.party(), &claims.client_id), (&token.aud, Some("app"), &None));
        assert_eq!((&claims.iss, claims.exp, &claims.binding), (&token.iss, token.exp, &token.binding));
        assert_eq!(claims.member("sid"), None);
    }

    #[test]
    fn what_the_answer_leaves_out_the_token_says() {
        let claims = told(200, "", r#"{"sub":"s-1"}"#, &token(json!({}))).unwrap();
        assert_eq!(claims.member("preferred_username"), Some(&json!("alice")));
        let no_subject = token(json!({"sub": null}));
        let claims = told(200, "", r#"{"sub":"s-9"}"#, &no_subject).unwrap();
        assert_eq!(claims.sub.as_deref(), Some("s-9"));
    }
}
