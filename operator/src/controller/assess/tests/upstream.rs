//! Whether Confluence accepts the users that the sidecars name.

use restward_crds::sidecar::status::{ConsumerKeys, LinkReport, Repair};

use super::*;

#[test]
fn one_sidecar_that_is_not_trusted_decides_and_status_shows_the_way() {
    let mut case = Case::all_is_well();
    case.acks.push(ack(ProviderReason::Reachable, UpstreamReason::LinkMissing));
    let (findings, status) = case.assess();
    assert_eq!((findings[6].truth, findings[6].reason), (Truth::False, "LinkMissing"));
    let link = status.application_link.unwrap();
    assert_eq!(link.instructions.iter().filter(|line| line.contains("curl -fsS")).count(), 3);
}

#[test]
fn where_a_header_names_users_nothing_speaks_of_a_link() {
    use UpstreamReason::{HeaderNotBelieved, Pending, Trusted, UnexpectedAnswer, Unproven};
    let table: [(&[UpstreamReason], Truth, &str); 8] = [
        (&[Trusted], Truth::True, "Trusted"),
        (&[Unproven], Truth::Unknown, "Unproven"),
        (&[Unproven, Trusted], Truth::True, "Trusted"),
        (&[Trusted, Unproven], Truth::True, "Trusted"),
        (&[Trusted, Pending], Truth::Unknown, "Pending"),
        (&[Trusted, HeaderNotBelieved], Truth::False, "HeaderNotBelieved"),
        (&[HeaderNotBelieved, Unproven], Truth::False, "HeaderNotBelieved"),
        (&[UnexpectedAnswer, Trusted], Truth::False, "UnexpectedAnswer"),
    ];
    for (said, truth, reason) in table {
        let case = Case {
            spec: json!({"upstream": {"identity": {"header": {"name": "X-Wiki-User"}}}}),
            acks: said.iter().map(|reason| ack(ProviderReason::Reachable, *reason)).collect(),
            ..Case::all_is_well()
        };
        let (findings, status) = case.assess();
        assert_eq!((findings[6].truth, findings[6].reason), (truth, reason), "{said:?}");
        assert_eq!(findings[6].message, "upstream says", "{said:?}");
        assert_eq!(status.application_link, None, "{said:?}");
        let is_warned = |told: &String| told.starts_with("HeaderIsALogin: ") && told.contains("X-Wiki-User");
        assert!(status.advisories.iter().any(is_warned), "{:?}", status.advisories);
        assert_eq!(case.ready().0 == Truth::True, truth == Truth::True, "{said:?}");
    }
}

/// A sidecar that holds both keys, and has seen that Confluence takes this one.
fn in_rotation(keys: &PolicyKeys, taken: &str) -> Ack {
    let mut ack = ack(ProviderReason::Reachable, UpstreamReason::Trusted);
    let held = [keys.public_key(), keys.next_public_key().unwrap()].map(|key| key.fingerprint.clone());
    ack.status.as_mut().unwrap().consumer_keys =
        Some(ConsumerKeys { held: held.to_vec(), taken: Some(taken.to_owned()) });
    ack
}

#[test]
fn the_next_key_is_shown_with_its_call_once_all_have_it() {
    let keys = PolicyKeys::generate(None).unwrap().rotating("1".into(), true).unwrap();
    let old = keys.public_key().fingerprint.clone();
    let next = |spec: Value, acks: Vec<Ack>| {
        let case = Case { spec, acks, keys: Some(keys.clone()), ..Case::all_is_well() };
        let link = case.assess().1.application_link.unwrap();
        assert_eq!(link.fingerprint, old);
        link.next.unwrap()
    };
    let early = next(json!({}), vec![in_rotation(&keys, &old), silent()]);
    assert!(!early.all_have_it && early.instructions.is_empty() && early.message.starts_with("Do not put"));
    let asked_for = next(json!({}), vec![in_rotation(&keys, &old)]);
    assert!(asked_for.all_have_it && asked_for.message.contains("0 of 1"));
    assert!(asked_for.instructions.iter().any(|line| line.contains("listApplicationlinks")));
    let managed = next(managed(), vec![in_rotation(&keys, &old)]);
    assert!(
        managed.all_have_it
            && managed.instructions.is_empty()
            && managed.message.starts_with("The sidecars put")
    );
}

fn managed() -> Value {
    let link = json!({"mode": "Managed", "adminTokenSecretRef": {"name": "admin", "key": "token"}});
    json!({"upstream": {"identity": {"oauth1": {"applicationLink": link}}}})
}

#[test]
fn what_sidecars_put_right_and_what_they_cannot_is_told() {
    let keeping = |repair: Option<(i64, &str)>, trouble: Option<&str>| {
        saying(ack(ProviderReason::Reachable, UpstreamReason::Trusted), |status| {
            status.managed_link = Some(LinkReport {
                repair: repair.map(|(at, what)| Repair { at, what: what.into() }),
                trouble: trouble.map(str::to_owned),
            });
        })
    };
    let case = |acks: Vec<Ack>, known: Option<&str>| {
        let case = Case { spec: managed(), acks, repaired: known.map(str::to_owned), ..Case::all_is_well() };
        case.assess().1
    };
    let repaired = |status: RestApiAuthPolicyStatus| status.application_link.unwrap().repaired;
    let both = vec![keeping(Some((10, "made")), None), keeping(Some((70, "replaced")), None)];
    let last = "1970-01-01T00:01:10Z: replaced (wiki-0)";
    assert_eq!(repaired(case(both.clone(), None)).as_deref(), Some(last));
    assert_eq!(
        repaired(case(vec![keeping(None, None)], Some(last))).as_deref(),
        Some(last),
        "it has restarted"
    );
    let later = "1970-01-02T00:00:00Z: made (wiki-1)";
    assert_eq!(repaired(case(both, Some(later))).as_deref(), Some(later));
    let told = case(vec![keeping(None, Some("no system administrator"))], None).advisories;
    assert!(
        told.iter()
            .any(|it| it.starts_with("ApplicationLinkNotKept: ") && it.contains("no system administrator"))
    );
}
