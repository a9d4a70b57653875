use http::HeaderMap;

use super::*;

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: status.try_into().unwrap(), headers: HeaderMap::new(), body: body.to_owned().into() }
}

fn user(name: &str) -> Username {
    name.parse().unwrap()
}

#[test]
fn as_whom_a_call_ran() {
    let nobody = |is_public| Ran::AsNobody { is_public };
    let known = r#"{"type":"known","username":"alice"}"#;
    for (answer, want) in [
        (Some(answer(200, known)), Ran::As("alice".into())),
        (Some(answer(200, r#"{"type":"anonymous","username":"alice"}"#)), nobody(true)),
        (Some(answer(200, "<html>")), nobody(true)),
        (Some(answer(401, known)), nobody(false)),
        (Some(answer(403, "")), nobody(false)),
        (Some(answer(404, "")), nobody(false)),
        (Some(answer(302, "")), Ran::Odd(StatusCode::FOUND)),
        (Some(answer(429, "")), Ran::Unknown),
        (Some(answer(503, known)), Ran::Unknown),
        (None, Ran::Unknown),
    ] {
        assert_eq!(Ran::of(answer.as_ref()), want, "{answer:?}");
    }
}

#[test]
fn nobody_may_be_taken_for_somebody() {
    let (somebody, odd) = (Ran::As("alice".into()), Ran::Odd(StatusCode::FOUND));
    let nobody = |is_public| Ran::AsNobody { is_public };
    for (without, invented, want) in [
        (nobody(true), nobody(true), Finding::Sound { is_public: true }),
        (nobody(false), nobody(true), Finding::Sound { is_public: false }),
        (somebody.clone(), nobody(true), Finding::EverybodyIsSomebody),
        (somebody.clone(), Ran::Unknown, Finding::EverybodyIsSomebody),
        (nobody(true), somebody.clone(), Finding::InventedUserIsSomebody),
        (Ran::Unknown, somebody, Finding::InventedUserIsSomebody),
        (odd.clone(), nobody(true), Finding::Odd(StatusCode::FOUND)),
        (nobody(true), odd, Finding::Odd(StatusCode::FOUND)),
        (Ran::Unknown, nobody(true), Finding::Inconclusive),
        (nobody(true), Ran::Unknown, Finding::Inconclusive),
    ] {
        assert_eq!(judge(&without, &invented), want, "{without:?} {invented:?}");
    }
}

#[test]
fn the_first_known_user_is_the_proof_and_one_unknown_user_is_no_disproof() {
    let witness = Proof::Witness(user("alice"));
    let (yes, unknown, busy) = (Ok(()), Err(Reason::UserUnknown), Err(Reason::UserCheckUnavailable));
    for (before, answered, after, asks_again) in [
        (Proof::None, yes, witness.clone(), true),
        (Proof::None, unknown, Proof::Ignored, true),
        (Proof::None, busy, Proof::None, false),
        (Proof::None, Err(Reason::IdentityMismatch), Proof::None, false),
        (Proof::Ignored, yes, witness.clone(), true),
        (Proof::Ignored, unknown, Proof::Ignored, false),
        (Proof::Witness(user("bob")), yes, witness.clone(), false),
        (witness.clone(), unknown, witness.clone(), true),
        (witness.clone(), busy, witness.clone(), false),
    ] {
        let mut proof = before.clone();
        assert_eq!(proof.learn(&user("alice"), answered), asks_again, "{before:?} {answered:?}");
        assert_eq!(proof, after, "{before:?} {answered:?}");
    }
}

#[test]
fn a_witness_who_is_nobody_now_is_none() {
    for (ran, want) in [
        (Ran::As("ALICE".into()), Proof::Witness(user("alice"))),
        (Ran::Unknown, Proof::Witness(user("alice"))),
        (Ran::As("bob".into()), Proof::Ignored),
        (Ran::AsNobody { is_public: true }, Proof::Ignored),
        (Ran::Odd(StatusCode::FOUND), Proof::Ignored),
    ] {
        assert_eq!(reconsider(&user("alice"), &ran), want, "{ran:?}");
    }
}

#[test]
fn every_finding_has_a_reason_and_a_sentence_that_names_the_header() {
    use UpstreamReason as U;
    let header: UserHeader = "X-Wiki-User".parse().unwrap();
    let (sound, witness) = (Finding::Sound { is_public: true }, Proof::Witness(user("alice")));
    for (finding, proof, reason, says) in [
        (Finding::Inconclusive, Proof::None, U::Pending, "does not answer as running"),
        (
            Finding::EverybodyIsSomebody,
            witness.clone(),
            U::UnexpectedAnswer,
            "without the header X-Wiki-User",
        ),
        (Finding::InventedUserIsSomebody, witness.clone(), U::UnexpectedAnswer, "X-Wiki-User names it"),
        (Finding::Odd(StatusCode::FOUND), witness.clone(), U::UnexpectedAnswer, "302"),
        (sound.clone(), Proof::None, U::Unproven, "serves calls without a user"),
        (Finding::Sound { is_public: false }, Proof::None, U::Unproven, "refuses calls without a user"),
        (sound.clone(), Proof::Ignored, U::HeaderNotBelieved, "seraph-config.xml"),
        (sound, witness, U::Trusted, "calls with the header X-Wiki-User"),
    ] {
        let report = report(&header, &finding, &proof);
        assert_eq!(report.reason, reason, "{finding:?} {proof:?}");
        assert!(report.message.contains(says) && !report.message.contains("alice"), "{report:?}");
        assert!(!report.message.contains("link"), "{report:?}");
    }
}
