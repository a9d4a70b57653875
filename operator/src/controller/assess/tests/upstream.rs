//! Whether Confluence accepts the users that the sidecars name.

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
