//! What the administrator of Confluence does once: the incoming application link. Pure.

use restward_crds::link::{self, Call, Consumer};

const FIRST: &str = "First: CONFLUENCE=<base URL of Confluence with its context path>; TOKEN=<personal access token of a system \
                     administrator>";

/// The link's id, which the first call gives.
const LINK: &str = "$LINK";

/// The three REST calls, and the same by clicks. They need a personal access token of a system administrator.
pub fn instructions(consumer_key: &str, public_key_pem: &str, policy_uid: &str) -> Vec<String> {
    let consumer = Consumer::of_policy(consumer_key, policy_uid);
    let address = &consumer.address;
    vec![
        FIRST.into(),
        format!(
            "LINK=$({} | sed -n 's/.*applicationlink\\/\\([0-9a-f-]*\\).*/\\1/p')",
            curl(&link::create(&consumer))
        ),
        curl(&link::set_consumer(LINK, consumer_key, public_key_pem)),
        curl(&link::allow(LINK)),
        format!(
            "Or by clicks: Administration > Application links > create a link to {address} (type 'Atlassian product', \
             ignore that it does not answer, continue as Generic Application with an incoming link); consumer key \
             {consumer_key}, the public key from this status; then edit the link: Incoming > OAuth, allow 2-Legged OAuth \
             and user impersonation"
        ),
    ]
}

/// The REST calls that put another key into the link that those made.
pub fn replacement(consumer_key: &str, public_key_pem: &str) -> Vec<String> {
    vec![
        FIRST.into(),
        // One application a line; its members come before the first brace that closes.
        format!(
            "LINK=$(curl -fsS -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/json' \
             \"$CONFLUENCE/rest/applinks/latest/listApplicationlinks\" | sed 's/\"application\":/\\n/g' | sed -n \
             '/^[^}}]*\"name\":\"{consumer_key}\"/s/^[^}}]*\"id\":\"\\([0-9a-f-]*\\)\".*/\\1/p')"
        ),
        curl(&link::set_consumer(LINK, consumer_key, public_key_pem)),
        format!(
            "Or by clicks: Administration > Application links > the link whose incoming consumer key is {consumer_key} > \
             edit > Incoming > OAuth: enter the public key from status.applicationLink.next in place of the one that is there"
        ),
    ]
}

/// A call that puts something, as a line for a shell.
fn curl(call: &Call) -> String {
    let body = call.body.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        "curl -fsS -X {} -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/json' -H 'Content-Type: \
         application/json' \"$CONFLUENCE{}\" -d '{body}'",
        call.method, call.path
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
    #[test]
    fn the_link_is_found_by_its_name_among_others() {
        let lines = replacement("restward-atlassian-wiki", "-----BEGIN PUBLIC KEY-----\nAA==\n");
        let (_, filter) = lines[1].split_once("listApplicationlinks\" |").unwrap();
        let link = |id: &str, name: &str, id_first: bool| {
            let (id, name) = (format!(r#""id":"{id}""#), format!(r#""name":"{name}""#));
            let members = if id_first { format!("{id},{name}") } else { format!("{name},{id}") };
            format!(r#"{{"application":{{{members},"typeId":"generic"}},"webItems":[{{"id":"x"}}]}}"#)
        };
        let others = [link("0-1", "jira", true), link("0-2", "restward-atlassian-wiki2", true)].join(",");
        for id_first in [true, false] {
            let list =
                format!(r#"{{"list":[{others},{}]}}"#, link("0a-3f", "restward-atlassian-wiki", id_first));
            let shell = format!("printf '%s' '{list}' | {}", filter.trim().trim_end_matches(')'));
            let found = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();
            assert_eq!(String::from_utf8(found.stdout).unwrap().trim(), "0a-3f", "{shell}");
        }
        assert!(lines[2].contains("/authentication/consumer") && lines[2].contains("BEGIN PUBLIC KEY"));
    }
}
