//! The REST calls that make and keep an application link in Confluence, and what their answers say. The sidecar, the operator's
//! instructions and `kubectl restward applink` make the same ones. They need the personal access token of a system administrator.

use serde::Deserialize;
use serde_json::{Value, json};

const LINKS: &str = "/rest/applinks/3.0/applicationlink";
const LIST: &str = "/rest/applinks/latest/listApplicationlinks";

/// A call of Confluence's REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// GET, PUT or DELETE.
    pub method: &'static str,
    /// Path below the context path.
    pub path: String,
    /// JSON, where there is a body.
    pub body: Option<Value>,
}

/// An application link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// As Confluence calls it.
    pub id: String,
    name: String,
    address: String,
}

/// Whose link it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its key, which is also the link's name.
    pub key: String,
    /// Address of the link, to which nothing is ever sent.
    pub address: String,
}

impl Consumer {
    /// The consumer of a policy. The address only has to be unique: RFC 2606 reserves `.invalid`.
    pub fn of_policy(key: impl Into<String>, policy_uid: &str) -> Self {
        Self { key: key.into(), address: format!("https://{policy_uid}.restward.invalid") }
    }
}

/// Another link has the consumer's name, and leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameIsTaken;

/// Why Confluence did not carry a call out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is nobody's.
    NotAccepted,
    /// Its owner may not.
    NotAnAdministrator,
    /// Confluence asks the owner for the password (WebSudo).
    WebSudo,
    /// Something else, with this status.
    Odd(u16),
}

/// Asks for all links.
pub fn list() -> Call {
    Call { method: "GET", path: LIST.into(), body: None }
}

/// Makes a link.
pub fn create(consumer: &Consumer) -> Call {
    let Consumer { key, address } = consumer;
    put(
        LINKS.into(),
        json!({"id": null, "name": key, "rpcUrl": address, "displayUrl": address, "typeId": "generic"}),
    )
}

/// Gives a link its consumer with this public key, or another key.
pub fn set_consumer(id: &str, consumer_key: &str, public_key_pem: &str) -> Call {
    let body = json!({
        "key": consumer_key, "name": consumer_key, "description": null, "sharedSecret": null,
        "publicKey": public_key_pem, "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null,
        "twoLOImpersonationAllowed": true,
    });
    put(format!("/rest/applinks-oauth/1.0/applicationlink/{id}/authentication/consumer"), body)
}

/// Lets its consumer name users.
pub fn allow(id: &str) -> Call {
    let body = json!({
        "incoming": {"enabled": true, "twoLoEnabled": true, "twoLoImpersonationEnabled": true},
        "outgoing": {"enabled": false, "twoLoEnabled": false, "twoLoImpersonationEnabled": false},
    });
    put(format!("/rest/applinks/3.0/status/{id}/oauth"), body)
}

/// Takes a link away.
pub fn delete(id: &str) -> Call {
    Call { method: "DELETE", path: format!("{LINKS}/{id}"), body: None }
}

fn put(path: String, body: Value) -> Call {
    Call { method: "PUT", path, body: Some(body) }
}

/// Whether a call was carried out.
///
/// # Errors
/// It was not; says why.
pub fn done<'a>(
    status: u16,
    mut header_names: impl Iterator<Item = &'a str>,
    body: &[u8],
) -> Result<(), Refusal> {
    // By a header or the message: there is no status of its own for it.
    let mut asks_for_websudo = || {
        header_names.any(|name| name.contains("websudo"))
            || String::from_utf8_lossy(body).to_ascii_lowercase().contains("websudo")
    };
    Err(match status {
        200..=299 => return Ok(()),
        401 | 403 if asks_for_websudo() => Refusal::WebSudo,
        401 => Refusal::NotAccepted,
        403 => Refusal::NotAnAdministrator,
        status => Refusal::Odd(status),
    })
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

/// The links in an answer to [`list`]; `None` when it is no list of links.
pub fn listed(body: &[u8]) -> Option<Vec<Link>> {
    let listed: Listed = serde_json::from_slice(body).ok()?;
    let link = |Entry { application: Application { id, name, rpc_url } }| Link { id, name, address: rpc_url };
    Some(listed.list.into_iter().map(link).collect())
}

/// The id of the link that was made, by the answer to [`create`]: it is in the link's address only.
pub fn created(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("/applicationlink/")?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    is_id(&id).then_some(id)
}

/// The consumer's link among all of them: of several the one that everybody takes.
///
/// # Errors
/// Another link has its name.
pub fn own(links: Vec<Link>, consumer: &Consumer) -> Result<Option<Link>, NameIsTaken> {
    let named: Vec<Link> = links.into_iter().filter(|link| link.name == consumer.key).collect();
    if named.iter().any(|link| !leads_nowhere(&link.address) || !is_id(&link.id)) {
        return Err(NameIsTaken);
    }
    Ok(named.into_iter().min())
}

/// Whether a link was made for a consumer that is nobody's server, as status and these calls make them.
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

    fn list_of(links: &[(&str, &str, &str)]) -> Vec<u8> {
        let entry = |(id, name, url): &(&str, &str, &str)| json!({"application": {"id": id, "name": name, "rpcUrl": url}});
        json!({"list": links.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
    }

    #[test]
    fn the_own_link_is_found_and_another_is_left_alone() {
        let consumer = Consumer::of_policy("restward-n-wiki", "u-1");
        let own_of = |links: &[(&str, &str, &str)]| {
            own(listed(&list_of(links)).unwrap(), &consumer).map(|link| link.map(|link| link.id))
        };
        let jira = ("0-1", "Jira", "https://jira.example.com");
        let ours = ("0-3", "restward-n-wiki", "https://u-1.restward.invalid");
        assert_eq!(own_of(&[]), Ok(None));
        assert_eq!(own_of(&[jira]), Ok(None));
        assert_eq!(own_of(&[jira, ours]), Ok(Some("0-3".into())));
        let twin = ("0-2", ours.1, ours.2);
        assert_eq!(own_of(&[ours, twin]), Ok(Some("0-2".into())), "the same for everybody");
        for address in [
            "https://jira.example.com",
            "https://jira.example.com/.restward.invalid",
            "https://evilrestward.invalid",
            "http://u-1.restward.invalid",
            "",
        ] {
            assert_eq!(own_of(&[("0-3", ours.1, address)]), Err(NameIsTaken), "{address}");
        }
        assert_eq!(own_of(&[("../../x", ours.1, ours.2)]), Err(NameIsTaken));
        assert_eq!(listed(b"<html>"), None);
    }

    #[test]
    fn each_refusal_is_told_from_the_others() {
        let judged =
            |status, header: &str, body: &str| done(status, [header].into_iter(), body.as_bytes()).err();
        assert_eq!(judged(200, "x", ""), None);
        assert_eq!(judged(204, "x", ""), None);
        assert_eq!(judged(401, "x", "Client must be authenticated"), Some(Refusal::NotAccepted));
        assert_eq!(
            judged(403, "x", "Client must be a system administrator"),
            Some(Refusal::NotAnAdministrator)
        );
        assert_eq!(judged(401, "x", "This resource requires WebSudo."), Some(Refusal::WebSudo));
        assert_eq!(judged(401, "x-atlassian-websudo", ""), Some(Refusal::WebSudo));
        assert_eq!(judged(500, "x", "websudo"), Some(Refusal::Odd(500)));
    }

    #[test]
    fn the_id_of_a_new_link_is_read_from_its_address() {
        let body = br#"{"resources-created":[{"link":{"href":"http://w/rest/applinks/3.0/applicationlink/0a-3f"}}]}"#;
        assert_eq!(created(body).as_deref(), Some("0a-3f"));
        assert_eq!(created(b"{}"), None);
    }
}
