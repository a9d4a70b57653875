//! The REST calls that make and keep an application link, and what their answers say. Pure.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{identity::Outgoing, loopback::Answer};

const LINKS: &str = "/rest/applinks/3.0/applicationlink";
const LIST: &str = "/rest/applinks/latest/listApplicationlinks";

/// An application link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// As Confluence calls it.
    pub id: String,
    name: String,
    address: String,
}

/// Whose link it is.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Its key, which is also the link's name.
    pub key: String,
    /// Address of the link, to which nothing is ever sent (RFC 2606 reserves `.invalid`).
    pub address: String,
}

/// Why a call came to nothing. Says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No token is mounted.
    #[error(
        "the administrator's token is not there: applicationLink.adminTokenSecretRef must name a Secret of this namespace and a \
         key in it; a pod that was made before that was set needs a restart"
    )]
    NoToken,
    /// It cannot be sent.
    #[error(
        "the administrator's token is not one: the Secret's key must hold a personal access token and nothing else"
    )]
    NotAToken,
    /// It is nobody's.
    #[error(
        "Confluence does not know the administrator's token: it is wrong, expired or revoked; put a new personal access token of \
         a system administrator into the Secret"
    )]
    NotAccepted,
    /// Its owner may not.
    #[error(
        "the owner of the administrator's token is no system administrator of Confluence; put a token of one into the Secret"
    )]
    NotAnAdministrator,
    /// Confluence asks the owner for the password.
    #[error(
        "Confluence asks for a secure administrator session (WebSudo) although a personal access token was sent; make the link by \
         the clicks in status, or switch secure administrator sessions off while the sidecar makes it"
    )]
    WebSudo,
    /// Another link has the name.
    #[error(
        "an application link of that name leads elsewhere; rename it, or set another consumerKey in the policy"
    )]
    NameIsTaken,
    /// Nothing to be read, or nobody answers.
    #[error("{0}")]
    Odd(String),
}

/// Asks for all links.
pub fn list(context_path: &str, host: HeaderValue) -> Outgoing {
    Outgoing::get(format!("{context_path}{LIST}"), host)
}

/// Makes a link.
pub fn create(context_path: &str, host: HeaderValue, consumer: &Consumer) -> Outgoing {
    let Consumer { key, address } = consumer;
    let link =
        json!({"id": null, "name": key, "rpcUrl": address, "displayUrl": address, "typeId": "generic"});
    put(format!("{context_path}{LINKS}"), host, &link)
}

/// Gives a link its consumer with this public key, or another key.
pub fn set_consumer(
    context_path: &str,
    host: HeaderValue,
    id: &str,
    consumer: &Consumer,
    public_key_pem: &str,
) -> Outgoing {
    let path = format!("{context_path}/rest/applinks-oauth/1.0/applicationlink/{id}/authentication/consumer");
    let body = json!({
        "key": consumer.key, "name": consumer.key, "description": null, "sharedSecret": null,
        "publicKey": public_key_pem, "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null,
        "twoLOImpersonationAllowed": true,
    });
    put(path, host, &body)
}

/// Lets its consumer name users.
pub fn allow(context_path: &str, host: HeaderValue, id: &str) -> Outgoing {
    let body = json!({
        "incoming": {"enabled": true, "twoLoEnabled": true, "twoLoImpersonationEnabled": true},
        "outgoing": {"enabled": false, "twoLoEnabled": false, "twoLoImpersonationEnabled": false},
    });
    put(format!("{context_path}/rest/applinks/3.0/status/{id}/oauth"), host, &body)
}

/// Takes a link away.
pub fn delete(context_path: &str, host: HeaderValue, id: &str) -> Outgoing {
    let path = format!("{context_path}{LINKS}/{id}");
    Outgoing { method: Method::DELETE, ..Outgoing::get(path, host) }
}

fn put(path: String, host: HeaderValue, body: &Value) -> Outgoing {
    let mut call = Outgoing::get(path, host);
    call.method = Method::PUT;
    call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    call.form = Some(body.to_string().into_bytes());
    call
}

/// `Authorization` of a personal access token, as it stands in a file.
///
/// # Errors
/// It is none.
pub fn authorization(token: &[u8]) -> Result<HeaderValue, Trouble> {
    let token = token.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Trouble::NotAToken);
    }
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| Trouble::NotAToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a call was carried out.
///
/// # Errors
/// It was not; says why.
pub fn done(what: &str, answer: &Answer) -> Result<(), Trouble> {
    Err(match answer.status {
        status if status.is_success() => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if asks_for_websudo(answer) => Trouble::WebSudo,
        StatusCode::UNAUTHORIZED => Trouble::NotAccepted,
        StatusCode::FORBIDDEN => Trouble::NotAnAdministrator,
        status => Trouble::Odd(format!("Confluence answers {} when it is to {what}", status.as_u16())),
    })
}

/// By a header or the message: there is no status of its own for it.
fn asks_for_websudo(answer: &Answer) -> bool {
    let names = |headers: &HeaderMap| headers.keys().any(|name| name.as_str().contains("websudo"));
    names(&answer.headers) || String::from_utf8_lossy(&answer.body).to_ascii_lowercase().contains("websudo")
}

#[derive(Deserialize)]
struct Listed {
    list: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    application: Application,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    rpc_url: String,
}

/// The links in an answer to [`list`].
///
/// # Errors
/// It is no list of links.
pub fn listed(body: &[u8]) -> Result<Vec<Link>, Trouble> {
    let listed: Listed = serde_json::from_slice(body)
        .map_err(|_| Trouble::Odd("Confluence's list of application links cannot be read".into()))?;
    let link = |Entry { application: Application { id, name, rpc_url } }| Link { id, name, address: rpc_url };
    Ok(listed.list.into_iter().map(link).collect())
}

/// The id of the link that was made, by the answer to [`create`]: it is in the link's address only.
pub fn created(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("/applicationlink/")?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    is_id(&id).then_some(id)
}

/// The consumer's link among all of them: of several the one that every sidecar takes.
///
/// # Errors
/// Another link has its name.
pub fn own(links: Vec<Link>, consumer: &Consumer) -> Result<Option<Link>, Trouble> {
    let named: Vec<Link> = links.into_iter().filter(|link| link.name == consumer.key).collect();
    if named.iter().any(|link| !leads_nowhere(&link.address) || !is_id(&link.id)) {
        return Err(Trouble::NameIsTaken);
    }
    Ok(named.into_iter().min())
}

/// Whether a link was made for a consumer that is nobody's server, as status and this program make them.
fn leads_nowhere(address: &str) -> bool {
    let host = address.strip_prefix("https://").unwrap_or_default().trim_end_matches('/');
    host == "restward.invalid"
        || (host.ends_with(".restward.invalid") && !host.contains(['/', '@', '?', '#']))
}

/// It becomes part of a path.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    fn consumer() -> Consumer {
        Consumer { key: "restward-n-wiki".into(), address: "https://u-1.restward.invalid".into() }
    }

    fn list_of(links: &[(&str, &str, &str)]) -> Vec<u8> {
        let entry = |(id, name, url): &(&str, &str, &str)| json!({"application": {"id": id, "name": name, "rpcUrl": url}});
        json!({"list": links.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
    }

    #[test]
    fn the_own_link_is_found_and_another_is_left_alone() {
        let own_of = |links: &[(&str, &str, &str)]| {
            own(listed(&list_of(links)).unwrap(), &consumer()).map(|link| link.map(|link| link.id))
        };
        let jira = ("0-1", "Jira", "https://jira.example.com");
        let ours = ("0-3", "restward-n-wiki", "https://u-1.restward.invalid");
        assert_eq!(own_of(&[]), Ok(None));
        assert_eq!(own_of(&[jira]), Ok(None));
        assert_eq!(own_of(&[jira, ours]), Ok(Some("0-3".into())));
        let twin = ("0-2", ours.1, ours.2);
        assert_eq!(own_of(&[ours, twin]), Ok(Some("0-2".into())), "the same for every sidecar");
        for address in [
            "https://jira.example.com",
            "https://jira.example.com/.restward.invalid",
            "https://evilrestward.invalid",
            "http://u-1.restward.invalid",
            "",
        ] {
            assert_eq!(own_of(&[("0-3", ours.1, address)]), Err(Trouble::NameIsTaken), "{address}");
        }
        assert_eq!(own_of(&[("../../x", ours.1, ours.2)]), Err(Trouble::NameIsTaken));
        assert!(matches!(listed(b"<html>"), Err(Trouble::Odd(_))));
    }

    #[test]
    fn each_refusal_has_its_sentence() {
        let judged = |status, body: &str| done("list links", &answer(status, body)).err();
        assert_eq!(judged(200, ""), None);
        assert_eq!(judged(204, ""), None);
        assert_eq!(judged(401, "Client must be authenticated"), Some(Trouble::NotAccepted));
        assert_eq!(judged(403, "Client must be a system administrator"), Some(Trouble::NotAnAdministrator));
        assert_eq!(judged(401, "This resource requires WebSudo."), Some(Trouble::WebSudo));
        let odd = Trouble::Odd("Confluence answers 500 when it is to list links".into());
        assert_eq!(judged(500, "websudo"), Some(odd));
        let mut told = answer(401, "");
        told.headers.insert("x-atlassian-websudo", HeaderValue::from_static("Has-Authentication"));
        assert_eq!(done("list links", &told), Err(Trouble::WebSudo));
    }

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(authorization(b" MDAw=\n").unwrap(), "Bearer MDAw=");
        assert!(authorization(b"MDAw").unwrap().is_sensitive());
        for text in [&b""[..], b" \n", b"a b", b"a\nb", b"\xc3\xbc"] {
            assert_eq!(authorization(text), Err(Trouble::NotAToken));
        }
    }
}
