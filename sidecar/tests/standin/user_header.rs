//! Users named by a header, to a real Tomcat whose application believes it.

use http::{HeaderName, HeaderValue, Method, header};
use restward_sidecar::{app::Running, audit::Audit, loopback::Answer};
use serde_json::{Value, json};

use crate::{
    support::keys,
    wiki::{WITHOUT_VALVE, Wiki, config},
};

const BELIEVED: (&str, &str) = ("STANDIN_BELIEVED_HEADER", "X-Forwarded-User");
const PUBLIC: (&str, &str) = ("STANDIN_ANONYMOUS", "true");
const SPELLINGS: [&str; 5] =
    ["X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X.Forwarded.User", "x-forwarded_USER"];
const ECHO: &str = "/confluence/rest/standin/1.0/echo";
const ISSUER: &str = "https://sso.example.com/realms/wiki";
/// `bob:bob-password`.
const BASIC_BOB: &str = "Basic Ym9iOmJvYi1wYXNzd29yZA==";

/// A sidecar that knows the realm's key from before.
async fn sidecar(wiki: &Wiki, change: impl FnOnce(&mut Value)) -> Running {
    let mut config = config();
    config["upstream"]["identity"] = json!({"header": {"name": BELIEVED.1}});
    config["issuers"][0]["lastKnown"] = json!({
        "issuer": ISSUER, "jwksUri": format!("{ISSUER}/protocol/openid-connect/certs"),
        "jwks": {"keys": [keys::jwk(keys::realm(), "k1")]},
    });
    change(&mut config);
    wiki.start_sidecar_with(&config, Audit::to(std::io::sink())).await
}

fn token(user: &str) -> String {
    let now = keys::now();
    let claims = json!({"iss": ISSUER, "sub": "s-1", "typ": "Bearer", "azp": "scripts", "jti": "j-1", "iat": now - 5,
                        "exp": now + 300, "preferred_username": user});
    format!("Bearer {}", keys::sign(keys::realm(), "k1", &claims))
}

/// Asks through the sidecar, with these headers.
async fn ask(wiki: &Wiki, sidecar: &Running, target: &str, headers: &[(&str, &str)]) -> Answer {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut request = wiki.request(Method::GET, "", query);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    wiki.through(sidecar.data, request, path).await
}

async fn ask_as(wiki: &Wiki, sidecar: &Running, target: &str, user: &str) -> Answer {
    ask(wiki, sidecar, target, &[("authorization", &token(user))]).await
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), body(answer)["reason"].as_str().unwrap_or_default().to_owned())
}

/// The user whom Confluence names, by its header.
fn named(answer: &Answer) -> Option<&str> {
    answer.headers.get("x-ausername").map(|name| name.to_str().unwrap())
}

/// The sidecar's own status, once it says that there is no way around and this of Confluence.
async fn until(wiki: &Wiki, sidecar: &Running, upstream: &str) {
    let said = async {
        loop {
            let request = wiki.request(Method::GET, "", Some("nonce=00112233445566778899aabbccddeeff"));
            let status = body(&wiki.through(sidecar.admin, request, "/status").await);
            if status["verification"]["reason"] == "Verified" && status["upstream"]["reason"] == upstream {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(20), said).await.is_ok(),
        "not in time: {upstream}"
    );
}

#[tokio::test]
async fn a_token_is_its_user_and_a_clients_header_is_nobodys() {
    let wiki = Wiki::start(&[BELIEVED, PUBLIC]);
    let direct = wiki.request(Method::GET, "/rest/standin/1.0/echo", None);
    let mut direct = direct;
    direct.headers.insert("x-forwarded-user", HeaderValue::from_static("admin"));
    assert_eq!(body(&wiki.send(direct).await)["user"], "admin", "whoever reaches it is whom they say");

    let sidecar = sidecar(&wiki, |config| config["credentials"]["anonymous"] = json!("Allow")).await;
    until(&wiki, &sidecar, "Unproven").await;
    let mut headers = vec![("authorization", token("alice")), ("connection", "X-Forwarded-User".into())];
    headers.extend(SPELLINGS.map(|name| (name, "admin".to_owned())));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let target = format!("{ECHO};jsessionid=1?os_username=bob&os_%70assword=bob-password&user_id=7");
    let answer = ask(&wiki, &sidecar, &target, &headers).await;
    let seen = body(&answer);
    assert_eq!((answer.status.as_u16(), &seen["user"]), (200, &json!("alice")), "{seen}");
    assert_eq!(seen["authentication"], "header");
    assert_eq!((&seen["parameters"], &seen["requestURI"]), (&json!({"user_id": ["7"]}), &json!(ECHO)));
    assert!(!seen["headers"].to_string().contains("admin"), "{seen}");
    assert!(!answer.headers.contains_key(header::SET_COOKIE), "the session that Confluence made is nobody's");
    until(&wiki, &sidecar, "Trusted").await;

    let login = ask(&wiki, &sidecar, ECHO, &[("authorization", BASIC_BOB)]).await;
    let cookie = login.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    for target in [ECHO, "/confluence/display/DS/Welcome", "/confluence/status", "/confluence/login.action"] {
        for credential in [None, Some(("authorization", BASIC_BOB)), Some(("cookie", cookie.as_str()))] {
            for name in SPELLINGS {
                let headers: Vec<_> =
                    [(name, "alice"), (name, "admin")].into_iter().chain(credential).collect();
                let answer = ask(&wiki, &sidecar, target, &headers).await;
                assert_eq!(answer.status, 200, "{target} {name} {credential:?}");
                let is_open = target.ends_with("status") || target.ends_with("login.action");
                // The password is removed where nobody needs one.
                let is_bob = credential.is_some_and(|(kind, _)| kind == "cookie" || !is_open);
                assert_eq!(named(&answer), is_bob.then_some("bob"), "{target} {name} {credential:?}");
                if target == ECHO {
                    assert_eq!(body(&answer)["user"], json!(is_bob.then_some("bob")));
                }
            }
        }
    }
}

#[tokio::test]
async fn who_cannot_be_named_and_who_is_unknown_is_refused_also_by_a_public_wiki() {
    let wiki = Wiki::start(&[BELIEVED, PUBLIC]);
    let sidecar = sidecar(&wiki, |_| {}).await;
    until(&wiki, &sidecar, "Unproven").await;
    for (user, reason) in [
        ("jürgen", "username_unusable"),
        ("łukasz", "username_unusable"),
        ("mallory", "user_unknown"),
        ("dora", "user_unknown"),
    ] {
        let answer = ask_as(&wiki, &sidecar, ECHO, user).await;
        assert_eq!(refusal(&answer), (403, reason.to_owned()), "{user}");
    }
    until(&wiki, &sidecar, "HeaderNotBelieved").await;
    for user in ["ALICE", "Alice.Smith", "svc-reports"] {
        let seen = body(&ask_as(&wiki, &sidecar, ECHO, user).await);
        assert_eq!(seen["user"].as_str().unwrap().to_lowercase(), user.to_lowercase());
    }
    until(&wiki, &sidecar, "Trusted").await;
}

#[tokio::test]
async fn stock_confluence_does_not_believe_the_header_and_the_sidecar_says_so() {
    let wiki = Wiki::start(&[PUBLIC]);
    let sidecar = sidecar(&wiki, |_| {}).await;
    until(&wiki, &sidecar, "Unproven").await;
    let answer = ask_as(&wiki, &sidecar, ECHO, "alice").await;
    assert_eq!(refusal(&answer), (403, "user_unknown".to_owned()));
    until(&wiki, &sidecar, "HeaderNotBelieved").await;
}

#[tokio::test]
async fn without_the_valve_nobody_is_named() {
    // On a socket nobody would come around without the valve either.
    let wiki = Wiki::start_on_port(&[BELIEVED, PUBLIC, WITHOUT_VALVE]);
    for (on_bypass, ready) in [("Block", 503), ("Report", 200)] {
        let sidecar = sidecar(&wiki, |config| config["onBypass"] = json!(on_bypass)).await;
        wiki.until_readiness(&sidecar, ready).await;
        let answer = ask_as(&wiki, &sidecar, ECHO, "alice").await;
        assert_eq!(refusal(&answer), (503, "enforcement_unverified".to_owned()), "{on_bypass}");
        assert!(sidecar.drain(std::time::Duration::from_secs(5)).await);
    }
}
