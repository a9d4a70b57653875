//! What the administrator of Confluence does once: the incoming application link. Pure.

use serde_json::json;

/// The three REST calls, and the same by clicks. They need a personal access token of a system administrator.
pub fn instructions(consumer_key: &str, public_key_pem: &str, policy_uid: &str) -> Vec<String> {
    // The address only has to be unique: nothing is ever sent to it (RFC 2606 reserves .invalid).
    let address = format!("https://{policy_uid}.restward.invalid");
    let link = json!({"id": null, "name": consumer_key, "rpcUrl": address, "displayUrl": address, "typeId": "generic"});
    let consumer = json!({
        "key": consumer_key, "name": consumer_key, "description": null, "sharedSecret": null,
        "publicKey": public_key_pem, "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null,
        "twoLOImpersonationAllowed": true,
    });
    let status = json!({
        "incoming": {"enabled": true, "twoLoEnabled": true, "twoLoImpersonationEnabled": true},
        "outgoing": {"enabled": false, "twoLoEnabled": false, "twoLoImpersonationEnabled": false},
    });
    vec![
        "First: CONFLUENCE=<base URL of Confluence with its context path>; TOKEN=<personal access token of a system \
         administrator>"
            .into(),
        format!(
            "LINK=$({} | sed -n 's/.*applicationlink\\/\\([0-9a-f-]*\\).*/\\1/p')",
            put("/rest/applinks/3.0/applicationlink", &link.to_string())
        ),
        put("/rest/applinks-oauth/1.0/applicationlink/$LINK/authentication/consumer", &consumer.to_string()),
        put("/rest/applinks/3.0/status/$LINK/oauth", &status.to_string()),
        format!(
            "Or by clicks: Administration > Application links > create a link to {address} (type 'Atlassian product', \
             ignore that it does not answer, continue as Generic Application with an incoming link); consumer key \
             {consumer_key}, the public key from this status; then edit the link: Incoming > OAuth, allow 2-Legged OAuth \
             and user impersonation"
        ),
    ]
}

fn put(path: &str, body: &str) -> String {
    format!(
        "curl -fsS -X PUT -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/json' -H 'Content-Type: \
         application/json' \"$CONFLUENCE{path}\" -d '{body}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_three_lines_that_a_shell_reads_as_one_word_each() {
        let lines = instructions("restward-atlassian-wiki", "-----BEGIN PUBLIC KEY-----\nAA==\n", "u-1");
        let calls: Vec<&String> = lines.iter().filter(|line| line.contains("curl -fsS")).collect();
        assert_eq!(calls.len(), 3);
        assert!(calls.iter().all(|call| !call.contains('\n')));
        assert!(calls[1].contains(r#""publicKey":"-----BEGIN PUBLIC KEY-----\nAA==\n""#));
        assert!(calls[2].contains("/rest/applinks/3.0/status/$LINK/oauth"));
    }
}
