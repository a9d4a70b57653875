//! Token introspection (RFC 7662): is it active, and what are its claims? Pure.

use http::StatusCode;
use restward_crds::reason::Reason;
use serde_json::Value;
use url::Url;

use super::{Refused, client::Client};
use crate::{
    auth::{
        RawToken,
        claims::Claims,
        json::{self, JsonObject},
    },
    keys::fetch::{Call, Reply},
};

/// What the token itself says when the answer does not: whose it is, what kind it is, how long it lives, whether it belongs
/// to a session and whether it is bound to a key. Nothing of what it grants: who may be missing from an answer's `aud` was taken out of it.
const OF_THE_TOKEN: [&str; 8] = ["iss", "typ", "exp", "nbf", "iat", "jti", "sid", "cnf"];

/// The question.
pub fn call(url: Url, client: &Client, token: &RawToken) -> Call {
    let (form, authorization) =
        client.request(&[("token", token.as_str()), ("token_type_hint", "access_token")]);
    Call { url, authorization, form: Some(form) }
}

/// The claims of an answer that says the token is active.
///
/// # Errors
/// It is not, or the answer cannot be used.
pub fn read(reply: &Reply, token: &Claims) -> Result<Claims, Refused> {
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Refused::ClientRejected),
        StatusCode::BAD_REQUEST if blames_the_client(&reply.body) => return Err(Refused::ClientRejected),
        _ => return Err(Refused::Unexpected),
    }
    let mut answer = json::object(&reply.body).map_err(|_| Refused::Unexpected)?;
    match answer.remove("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(Refused::Inactive),
        _ => return Err(Refused::Unexpected),
    }
    settle_client(&mut answer, token);
    for name in OF_THE_TOKEN {
        if let (false, Some(value)) = (answer.contains_key(name), token.member(name)) {
            answer.insert(name.to_owned(), value.clone());
        }
    }
    let claims = Claims::from_members(answer).map_err(|_: Reason| Refused::Unexpected)?;
    let is_same_subject = match (&claims.sub, &token.sub) {
        (Some(told), Some(own)) => told == own,
        _ => true,
    };
    if claims.iss == token.iss && claims.exp <= token.exp && is_same_subject {
        Ok(claims)
    } else {
        // About another token: some cache between us has mixed up two answers.
        Err(Refused::Unexpected)
    }
}

/// RFC 6749 section 5.2: a client that is not who it says may be answered by 400 too, as Keycloak does for assertions.
fn blames_the_client(body: &[u8]) -> bool {
    let error = json::object(body).ok().and_then(|answer| answer.get("error").cloned());
    matches!(error.as_ref().and_then(Value::as_str), Some("invalid_client" | "unauthorized_client"))
}

/// An answer names the client in `client_id` for every token, whereas in a token of Keycloak that claim is the mark of the
/// client-credentials grant. Left in, it would make a person whose name begins like a service account's into one.
fn settle_client(answer: &mut JsonObject, token: &Claims) {
    if let Some(client) = answer.remove("client_id") {
        answer.entry("azp").or_insert(client);
    }
    if let Some(client) = &token.client_id {
        answer.insert("client_id".to_owned(), client.clone().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{checks::testing::claims_json, claims::Binding};
    use serde_json::json;

    fn token(changes: Value) -> Claims {
        Claims::parse(claims_json(changes).to_string().as_bytes()).unwrap()
    }

    fn told(status: u16, body: &str, token: &Claims) -> Result<Claims, Refused> {
        let status = StatusCode::from_u16(status).unwrap();
        read(&Reply { status, challenge: String::new(), body: body.as_bytes().to_vec() }, token)
    }

    fn active(changes: Value) -> String {
        let mut answer = claims_json(changes);
        answer["active"] = json!(true);
        answer.to_string()
    }

    #[test]
    fn only_active_true_gives_claims() {
        let token = token(json!({}));
        let good = active(json!({"preferred_username": "alice2", "username": "alice2"}));
        let claims = told(200, &good, &token).unwrap();
        assert_eq!(claims.member("preferred_username"), Some(&json!("alice2")), "a renamed user");
        let table = [
            (200, r#"{"active":false}"#.to_owned(), Refused::Inactive),
            (
                200,
                active(json!({"active": false})).replace("\"active\":true", "\"active\":false"),
                Refused::Inactive,
            ),
            (200, good.replace("\"active\":true", "\"active\":\"true\""), Refused::Unexpected),
            (200, good.replace("\"active\":true", "\"active\":1"), Refused::Unexpected),
            (200, good.replace("\"active\":true", "\"Active\":true"), Refused::Unexpected),
            (200, good.replace("\"active\":true", "\"active\":false,\"active\":true"), Refused::Unexpected),
            (200, "true".to_owned(), Refused::Unexpected),
            (200, String::new(), Refused::Unexpected),
            (201, good.clone(), Refused::Unexpected),
            (302, good.clone(), Refused::Unexpected),
            (401, good.clone(), Refused::ClientRejected),
            (403, good.clone(), Refused::ClientRejected),
            (429, good, Refused::Unexpected),
            (400, r#"{"error":"invalid_client"}"#.to_owned(), Refused::ClientRejected),
            (400, r#"{"error":"invalid_request"}"#.to_owned(), Refused::Unexpected),
            (400, "invalid_client".to_owned(), Refused::Unexpected),
        ];
        for (status, body, want) in table {
            assert_eq!(told(status, &body, &token), Err(want), "{status} {body}");
        }
    }

    #[test]
    fn what_the_answer_leaves_out_of_the_grants_is_not_granted() {
        let token = token(json!({"aud": "wiki", "scope": "wiki", "groups": ["/staff"], "cnf": {"jkt": "x"}}));
        let claims = told(200, r#"{"active":true}"#, &token).unwrap();
        assert!(
            claims.aud.is_empty() && !claims.grants.has_scope("wiki") && !claims.grants.is_in_group("/staff")
        );
        assert_eq!(claims.party(), None);
        assert_eq!(claims.member("preferred_username"), None);
        // Whose it is, its kind and its bounds are the token's own.
        assert_eq!((&claims.iss, claims.exp, claims.typ.as_deref()), (&token.iss, token.exp, Some("Bearer")));
        assert_eq!(claims.binding, token.binding);
        assert_ne!(claims.binding, Binding::Free);
    }

    #[test]
    fn an_answer_about_another_token_is_none() {
        let token = token(json!({}));
        for changes in [
            json!({"iss": "https://sso.example.com/realms/other"}),
            json!({"sub": "s-2"}),
            json!({"exp": token.exp + 1.0}),
            json!({"exp": "soon"}),
        ] {
            assert_eq!(told(200, &active(changes.clone()), &token), Err(Refused::Unexpected), "{changes}");
        }
    }

    #[test]
    fn the_answers_client_id_does_not_make_a_service_account() {
        let person = token(json!({"azp": "reports", "sid": "s"}));
        let claims = told(200, &active(json!({"azp": "reports", "client_id": "reports"})), &person).unwrap();
        assert_eq!((claims.member("client_id"), claims.party()), (None, Some("reports")));
        assert_eq!(claims.member("sid"), Some(&json!("s")), "the mark of a person's token stays");
        let by_client_id = told(200, &active(json!({"azp": null, "client_id": "reports"})), &person).unwrap();
        assert_eq!(by_client_id.party(), Some("reports"));
        let script = token(json!({"azp": "reports", "client_id": "reports"}));
        let claims = told(200, &active(json!({"azp": "reports", "client_id": "reports"})), &script).unwrap();
        assert_eq!(claims.member("client_id"), Some(&json!("reports")));
    }
}
