use super::*;
use crate::provision::realm::{Attributes, Mapper};

const OWNER: &str = "c-1/atlassian/wiki";

fn desired() -> Desired {
    Desired {
        realm: "staff".into(),
        owner: OWNER.into(),
        scope: Some(DesiredScope { name: "confluence".into(), audiences: vec!["confluence".into()] }),
        clients: vec![
            wanted("reports", ClientPurpose::ServiceAccount),
            wanted("wiki-cli", ClientPurpose::Device),
            wanted("wiki-gate", ClientPurpose::Introspection),
        ],
        gone: Vec::new(),
        by_mark: false,
    }
}

fn wanted(client: &str, purpose: ClientPurpose) -> ProvisionedClient {
    ProvisionedClient { client: client.into(), purpose }
}

/// What Keycloak shows after these calls, from nothing. It adds members of its own.
fn carried_out(calls: &[Call]) -> Found {
    let mut found = Found::default();
    for (number, call) in calls.iter().enumerate() {
        let mut body = call.body.clone().unwrap();
        body["id"] = json!(format!("id-{number}"));
        if call.path[0] == "client-scopes" {
            for (number, mapper) in body["protocolMappers"].as_array_mut().unwrap().iter_mut().enumerate() {
                mapper["id"] = json!(format!("m-{number}"));
                mapper["config"]["userinfo.token.claim"] = json!("false");
            }
            found.scopes.push(serde_json::from_value(body).unwrap());
        } else {
            body["secret"] = json!("of the client");
            body["defaultClientScopes"] = json!(["basic", "profile"]);
            found.clients.push(serde_json::from_value(body).unwrap());
        }
    }
    found
}

/// Everything as it should be.
fn all_there() -> Found {
    let mut found = carried_out(&plan(&desired(), &Found::default()).calls);
    for client in found.clients.iter_mut().filter(|client| client.client_id != "wiki-gate") {
        client.default_client_scopes.insert("confluence".into());
    }
    found
}

fn whats(desired: &Desired, found: &Found) -> Vec<String> {
    let plan = plan(desired, found);
    assert_eq!(plan.taken, None);
    told(&plan)
}

fn told(plan: &Plan) -> Vec<String> {
    plan.calls.iter().map(|call| format!("{} {}", call.method, call.what)).collect()
}

#[test]
fn from_nothing_to_everything_and_then_nothing_is_left() {
    let first = plan(&desired(), &Found::default()).calls;
    let made: Vec<&str> = first.iter().map(|call| call.what.as_str()).collect();
    assert_eq!(
        made,
        [
            "make the client 'reports'",
            "make the client 'wiki-cli'",
            "make the client 'wiki-gate'",
            "make the client scope 'confluence'"
        ]
    );
    assert!(first.iter().all(|call| call.body.as_ref().unwrap()["attributes"][names::REALM_MARK] == OWNER));
    let found = carried_out(&first);
    // The client as which the sidecar asks calls nobody.
    assert_eq!(
        whats(&desired(), &found),
        [
            "PUT give the client 'reports' the client scope 'confluence'",
            "PUT give the client 'wiki-cli' the client scope 'confluence'"
        ]
    );
    assert_eq!(whats(&desired(), &all_there()), [""; 0]);
}

#[test]
fn drift_is_put_right_and_what_is_the_administrators_is_left_alone() {
    type Drift = fn(&mut Found);
    let scope = "of the client scope 'confluence'";
    let table: [(Drift, &[&str]); 10] = [
        (
            |found| found.clients[0].direct_access_grants_enabled = true,
            &["PUT put the flows of the client 'reports' right"],
        ),
        (|found| found.clients[0].public_client = true, &["PUT put the flows of the client 'reports' right"]),
        (
            |found| found.clients[1].attributes.device = Some("false".into()),
            &["PUT put the flows of the client 'wiki-cli' right"],
        ),
        (
            |found| found.clients[0].default_client_scopes.clear(),
            &["PUT give the client 'reports' the client scope 'confluence'"],
        ),
        (
            |found| {
                found.clients[0].default_client_scopes.clear();
                found.clients[0].optional_client_scopes.extend(["confluence".to_owned()]);
            },
            &[
                "DELETE take from the client 'reports' the client scope 'confluence'",
                "PUT give the client 'reports' the client scope 'confluence'",
            ],
        ),
        (
            |found| drop(found.scopes[0].protocol_mappers.remove(1)),
            &["POST make the mapper 'restward-audience:confluence' "],
        ),
        (
            |found| {
                found.scopes[0].protocol_mappers[1].config.access_token = Some("false".into());
            },
            &["PUT put right the mapper 'restward-audience:confluence' "],
        ),
        // It was a program's, and is the sidecar's now.
        (
            |found| found.clients[2].default_client_scopes.extend(["confluence".to_owned()]),
            &["DELETE take from the client 'wiki-gate' the client scope 'confluence'"],
        ),
        (
            |found| found.scopes[0].name = "wiki".into(),
            &[
                "PUT give the client 'reports' the client scope 'wiki'",
                "PUT give the client 'wiki-cli' the client scope 'wiki'",
                "PUT call the client scope 'wiki' 'confluence'",
            ],
        ),
        (
            |found| {
                let scope = &mut found.scopes[0];
                let mapper =
                    Mapper { name: "groups".into(), id: "m-9".into(), ..scope.protocol_mappers[0].clone() };
                scope.protocol_mappers.push(mapper);
                found.clients[0].default_client_scopes.insert("roles".into());
            },
            &[],
        ),
    ];
    for (row, (drift, expected)) in table.into_iter().enumerate() {
        let mut found = all_there();
        drift(&mut found);
        let expected: Vec<String> = expected
            .iter()
            .map(|what| if what.ends_with("' ") { format!("{what}{scope}") } else { (*what).to_owned() })
            .collect();
        assert_eq!(whats(&desired(), &found), expected, "row {row}");
    }
}

#[test]
fn audiences_come_and_go_with_the_policy() {
    let mut other = desired();
    other.scope.as_mut().unwrap().audiences = vec!["wiki".into()];
    other.clients.pop();
    let mut found = all_there();
    found.clients.pop();
    assert_eq!(
        whats(&other, &found),
        [
            "POST make the mapper 'restward-audience:wiki' of the client scope 'confluence'",
            "DELETE remove the mapper 'restward-audience-client:wiki-gate' of the client scope 'confluence'",
            "DELETE remove the mapper 'restward-audience:confluence' of the client scope 'confluence'",
        ]
    );
}

#[test]
fn what_has_no_mark_or_anothers_is_never_touched() {
    let taken = |found: &Found| plan(&desired(), found).taken.unwrap().to_string();
    for mark in [None, Some("c-2/atlassian/wiki"), Some("c-1/atlassian/wiki2"), Some("")] {
        let remark = |attributes: &mut Attributes| {
            attributes.mark = mark.map(ToOwned::to_owned);
        };
        let mut foreign_client = all_there();
        remark(&mut foreign_client.clients[0].attributes);
        let said = taken(&foreign_client);
        assert!(plan(&desired(), &foreign_client).calls.is_empty());
        assert!(said.contains("client 'reports'") && said.contains(OWNER), "{said}");

        let mut foreign_scope = all_there();
        remark(&mut foreign_scope.scopes[0].attributes);
        let said = taken(&foreign_scope);
        assert!(said.contains("client scope 'confluence'"), "{said}");

        let mut foreign = foreign_client;
        remark(&mut foreign.scopes[0].attributes);
        foreign.clients.iter_mut().for_each(|client| remark(&mut client.attributes));
        let nothing = Desired { scope: None, clients: Vec::new(), gone: vec!["reports".into()], ..desired() };
        assert_eq!(whats(&nothing, &foreign), [""; 0]);
    }
    // A scope of ours that is to get the name of somebody else's.
    let mut found = all_there();
    let other = Scope { id: "x".into(), attributes: Attributes::default(), ..found.scopes[0].clone() };
    found.scopes[0].name = "before".into();
    found.scopes.push(other);
    assert!(taken(&found).contains("client scope 'confluence'"));
}

#[test]
fn removed_is_what_is_not_wanted_any_more_and_all_of_it_on_request() {
    let mut without_reports = desired();
    without_reports.clients.remove(0);
    without_reports.gone = vec!["reports".into(), "never-there".into()];
    assert_eq!(whats(&without_reports, &all_there()), ["DELETE remove the client 'reports'"]);
    let ids = ["reports", "wiki-cli", "wiki-gate"].map(ToOwned::to_owned).to_vec();
    let nothing = Desired { scope: None, clients: Vec::new(), gone: ids, ..desired() };
    assert_eq!(
        whats(&nothing, &all_there()),
        [
            "DELETE remove the client 'reports'",
            "DELETE remove the client 'wiki-cli'",
            "DELETE remove the client 'wiki-gate'",
            "DELETE remove the client scope 'confluence'"
        ]
    );
    assert_eq!(whats(&nothing, &Found::default()), [""; 0]);
}

#[test]
fn what_is_in_the_way_of_one_thing_is_not_in_the_way_of_others_and_what_goes_goes_first() {
    let mut found = all_there();
    found.clients[0].attributes.mark = None;
    found.clients[1].public_client = false;
    found.scopes[0].protocol_mappers.clear();
    let without_gate = Desired { clients: desired().clients[..2].to_vec(), ..desired() };
    let plan = plan(&without_gate, &found);
    assert!(plan.taken.as_ref().unwrap().to_string().contains("client 'reports'"), "{plan:?}");
    assert_eq!(
        told(&plan),
        [
            "DELETE remove the client 'wiki-gate'",
            "PUT put the flows of the client 'wiki-cli' right",
            "POST make the mapper 'restward-audience:confluence' of the client scope 'confluence'",
        ]
    );
}

#[test]
fn a_second_scope_of_ours_goes_when_everybody_has_the_first() {
    let mut found = all_there();
    let before = Scope { id: "a".into(), name: "before".into(), ..found.scopes[0].clone() };
    found.scopes.insert(0, before);
    assert_eq!(whats(&desired(), &found), ["DELETE remove the client scope 'before'"]);
    found.clients[0].default_client_scopes.clear();
    assert_eq!(whats(&desired(), &found), ["PUT give the client 'reports' the client scope 'confluence'"]);
    found.clients[0].attributes.mark = None;
    assert!(plan(&desired(), &found).calls.is_empty(), "somebody may still need it");
}

#[test]
fn names_from_the_realm_are_told_short_and_without_what_moves_a_cursor() {
    let mut found = all_there();
    found.scopes[0].name = format!("\u{1b}[2J{}", "x".repeat(1000));
    let mapper = &mut found.scopes[0].protocol_mappers[0];
    mapper.name = format!("{}\u{202e}{}", "restward-audience", "y".repeat(1000));
    found.clients[0].client_id = "a\u{9b}".into();
    for what in whats(&Desired { clients: Vec::new(), ..desired() }, &found) {
        assert!(what.len() < 700 && !what.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{what}");
    }
}
