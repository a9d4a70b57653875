use http::{HeaderMap, HeaderValue, header};
use restward_crds::sidecar::parse;

use super::*;

/// One request per kind of credential.
pub(crate) fn presented(kind: Kind) -> Presented {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
    let own = format!("Bearer {}.{}.c2ln", B64.encode(r#"{"alg":"HS256"}"#), B64.encode(r#"{"id":"1"}"#));
    let (authorization, cookie, query) = match kind {
        Kind::None => (None, false, ""),
        Kind::Session => (None, true, ""),
        Kind::Basic => (Some("Basic YTpi"), false, ""),
        Kind::PasswordParameters => (None, false, "os_username=a"),
        Kind::Token => (Some("Bearer a.b.c"), false, ""),
        Kind::MalformedToken => (Some("Bearer"), false, ""),
        Kind::PersonalAccessToken => (Some("Bearer MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu"), false, ""),
        Kind::ConfluenceOAuth2 => (Some(own.as_str()), false, ""),
        Kind::OAuth1 => (
            Some(
                "OAuth oauth_consumer_key=\"j\",oauth_token=\"\",oauth_signature_method=\"RSA-SHA1\",\
                 oauth_signature=\"x\",oauth_timestamp=\"1\",oauth_nonce=\"n\"",
            ),
            false,
            "",
        ),
        Kind::ApplicationLinkJwt => (Some("JWT a.b.c"), false, ""),
        Kind::Other => (Some("Negotiate x"), false, ""),
    };
    of(authorization, cookie, query)
}

fn of(authorization: Option<&str>, cookie: bool, query: &str) -> Presented {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
    }
    if cookie {
        headers.insert(header::COOKIE, HeaderValue::from_static("JSESSIONID=1"));
    }
    Presented::of(&headers, Some(query), None)
}

pub(crate) fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let json = serde_json::json!({
        "version": 1,
        "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": "sso.example.com", "realm": "r"}],
        "usernameAttribute": "preferred_username",
        "basicAuth": "Allow",
        "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": "sidecar"}}}
    });
    let mut settings = parse::from_json(json.to_string().as_bytes()).unwrap();
    change(&mut settings);
    settings
}

fn route(class: PathClass) -> Route {
    Route { class, is_rpc: false, is_anonymous: false, takes_jwt: false, skips_oauth1: false }
}

fn facts(class: PathClass, presented: &Presented) -> Facts<'_> {
    Facts {
        route: route(class),
        presented,
        is_cors_preflight: false,
        is_excepted: false,
        skips_oauth1: false,
        now: UnixTime::from_secs(0),
    }
}

fn refuse(reason: Reason) -> Decision {
    Action::Refuse(reason).into()
}

use Action::*;

#[test]
fn the_table_with_default_switches() {
    let settings = settings(|_| {});
    let cookie = PassOnlyWith(AuthType::Cookie);
    let basic = PassOnlyWith(AuthType::Basic);
    for (kind, on_open, on_content, on_protected) in [
        (Kind::None, Pass, Pass, Refuse(Reason::CredentialMissing)),
        (Kind::Session, Pass, Pass, cookie),
        (Kind::Basic, PassWithout, Pass, basic),
        (Kind::PasswordParameters, Pass, Pass, basic),
        (Kind::Token, PassWithout, AsUserOrWithout, AsUser),
        (Kind::MalformedToken, PassWithout, PassWithout, Refuse(Reason::TokenMalformed)),
        (Kind::PersonalAccessToken, Pass, Pass, ConfirmBearer),
        (Kind::ConfluenceOAuth2, Pass, Pass, ConfirmBearer),
        (Kind::OAuth1, Pass, Pass, Pass),
        (Kind::ApplicationLinkJwt, Pass, Pass, Refuse(Reason::SchemeUnsupported)),
        (Kind::Other, Pass, Pass, Refuse(Reason::SchemeUnsupported)),
    ] {
        let presented = presented(kind);
        assert_eq!(presented.kind, kind);
        for (class, want) in [
            (PathClass::Open, on_open),
            (PathClass::Content, on_content),
            (PathClass::Protected, on_protected),
        ] {
            assert_eq!(decide(&settings, &facts(class, &presented)), want.into(), "{kind:?} {class:?}");
        }
    }
}

#[test]
fn a_token_on_pages_must_give_a_user_only_where_the_policy_says_so() {
    let authenticate = settings(|s| s.ui_authorization = UiAuthorization::Authenticate);
    for (kind, want) in [(Kind::Token, AsUser), (Kind::MalformedToken, Refuse(Reason::TokenMalformed))] {
        assert_eq!(decide(&authenticate, &facts(PathClass::Content, &presented(kind))), want.into());
        assert_eq!(decide(&authenticate, &facts(PathClass::Open, &presented(kind))), PassWithout.into());
    }
    for kind in [Kind::None, Kind::Session, Kind::Other] {
        assert_eq!(decide(&authenticate, &facts(PathClass::Content, &presented(kind))), Pass.into());
    }
}

type Change = fn(&mut Settings, Switch);

#[test]
fn every_switch_refuses_its_kind_and_only_records_on_audit() {
    let table: [(Kind, Change, Reason); 7] = [
        (Kind::Basic, |s, to| s.basic_auth = to, Reason::BasicDenied),
        (Kind::PasswordParameters, |s, to| s.basic_auth = to, Reason::BasicDenied),
        (
            Kind::PersonalAccessToken,
            |s, to| s.credentials.personal_access_token = to,
            Reason::PersonalAccessTokenDenied,
        ),
        (Kind::ConfluenceOAuth2, |s, to| s.credentials.confluence_oauth2 = to, Reason::OAuth2Denied),
        (Kind::OAuth1, |s, to| s.credentials.application_link = to, Reason::ApplicationLinkDenied),
        (Kind::Session, |s, to| s.credentials.session = to, Reason::SessionDenied),
        (Kind::None, |s, to| s.credentials.anonymous = to, Reason::CredentialMissing),
    ];
    for (kind, change, reason) in table {
        let presented = presented(kind);
        let decide_with = |switch, class| decide(&settings(|s| change(s, switch)), &facts(class, &presented));
        let allowed = decide_with(Switch::Allow, PathClass::Protected);
        assert!(!matches!(allowed.action, Refuse(_)) && allowed.audited.is_none(), "{kind:?}");
        let audited = Decision { action: allowed.action, audited: Some(reason) };
        assert_eq!(decide_with(Switch::Audit, PathClass::Protected), audited, "{kind:?}");
        assert_eq!(decide_with(Switch::Deny, PathClass::Protected), refuse(reason), "{kind:?}");
        let on_content = decide_with(Switch::Deny, PathClass::Content);
        let is_login = matches!(kind, Kind::Session | Kind::None);
        assert_eq!(on_content == refuse(reason), !is_login, "{kind:?} on content");
        assert!(!matches!(decide_with(Switch::Deny, PathClass::Open).action, Refuse(_)), "{kind:?} on open");
    }
}

#[test]
fn nothing_without_a_credential_passes_on_protected_paths_but_for_the_listed_reasons() {
    let settings = settings(|_| {});
    let none = presented(Kind::None);
    let base = facts(PathClass::Protected, &none);
    assert_eq!(decide(&settings, &Facts { is_cors_preflight: true, ..base }), Pass.into());
    let anonymous = Route { is_anonymous: true, ..base.route };
    assert_eq!(decide(&settings, &Facts { route: anonymous, ..base }), Pass.into());
    let challenge = of(None, false, "os_authType=basic");
    assert_eq!(decide(&settings, &facts(PathClass::Protected, &challenge)), PassForChallenge.into());
}

#[test]
fn an_excepted_login_is_as_if_passwords_were_allowed() {
    let strict = settings(|s| {
        s.basic_auth = Switch::Deny;
        s.credentials.session = Switch::Deny;
    });
    for class in [PathClass::Content, PathClass::Protected] {
        for kind in Kind::ALL {
            let presented = presented(kind);
            let excepted = Facts { is_excepted: true, ..facts(class, &presented) };
            let lenient = settings(|s| s.credentials.session = Switch::Deny);
            assert_eq!(decide(&strict, &excepted), decide(&lenient, &facts(class, &presented)), "{kind:?}");
        }
    }
}

#[test]
fn the_end_of_passwords_concerns_whoever_a_ban_would_refuse() {
    let settings = settings(|_| {});
    for kind in Kind::ALL {
        let presented = presented(kind);
        let is_login = matches!(kind, Kind::Basic | Kind::PasswordParameters);
        for (class, want) in
            [(PathClass::Open, false), (PathClass::Content, is_login), (PathClass::Protected, is_login)]
        {
            let facts = facts(class, &presented);
            assert_eq!(ends_with_passwords(&settings, &facts), want, "{kind:?} {class:?}");
            assert!(!ends_with_passwords(&settings, &Facts { is_excepted: true, ..facts }), "{kind:?}");
        }
    }
    let beside = of(Some("Bearer MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu"), false, "os_password=a");
    assert!(ends_with_passwords(&settings, &facts(PathClass::Protected, &beside)));
}

#[test]
fn the_login_page_keeps_its_stale_cookie() {
    let session = presented(Kind::Session);
    let base = facts(PathClass::Protected, &session);
    let route = Route { is_anonymous: true, ..base.route };
    assert_eq!(decide(&settings(|_| {}), &Facts { route, ..base }), Pass.into());
}

#[test]
fn a_challenge_is_for_those_who_may_log_in_by_password() {
    let no_basic = settings(|s| s.basic_auth = Switch::Deny);
    let challenge = of(None, false, "os_authType=basic");
    let facts_of = |presented| facts(PathClass::Protected, presented);
    assert_eq!(decide(&no_basic, &facts_of(&challenge)), refuse(Reason::CredentialMissing));
    let with_cookie = of(None, true, "os_authType=basic");
    let no_session = settings(|s| s.credentials.session = Switch::Deny);
    assert_eq!(decide(&no_session, &facts_of(&with_cookie)), refuse(Reason::SessionDenied));
}

#[test]
fn remote_calls_without_authorization_count_as_basic() {
    for kind in [Kind::None, Kind::Session] {
        let presented = presented(kind);
        let base = facts(PathClass::Protected, &presented);
        let rpc = Facts { route: Route { is_rpc: true, ..base.route }, ..base };
        assert_eq!(decide(&settings(|_| {}), &rpc), Pass.into());
        assert_eq!(decide(&settings(|s| s.basic_auth = Switch::Deny), &rpc), refuse(Reason::BasicDenied));
    }
}

#[test]
fn remote_calls_with_a_session_are_also_sessions() {
    let session = presented(Kind::Session);
    let base = facts(PathClass::Protected, &session);
    let rpc = Facts { route: Route { is_rpc: true, ..base.route }, ..base };
    let decide_with = |basic, session| {
        let settings = settings(|s| (s.basic_auth, s.credentials.session) = (basic, session));
        decide(&settings, &rpc)
    };
    let noted = |reason| Decision { action: Pass, audited: Some(reason) };
    assert_eq!(decide_with(Switch::Allow, Switch::Deny), refuse(Reason::SessionDenied));
    assert_eq!(decide_with(Switch::Audit, Switch::Deny), refuse(Reason::SessionDenied));
    assert_eq!(decide_with(Switch::Deny, Switch::Allow), refuse(Reason::BasicDenied));
    assert_eq!(decide_with(Switch::Allow, Switch::Audit), noted(Reason::SessionDenied));
    assert_eq!(decide_with(Switch::Audit, Switch::Audit), noted(Reason::BasicDenied));
}

#[test]
fn whoever_waits_for_the_challenge_gets_it_on_every_protected_path() {
    let challenge = of(None, false, "os_authType=basic");
    let base = facts(PathClass::Protected, &challenge);
    for route in [Route { is_rpc: true, ..base.route }, Route { is_anonymous: true, ..base.route }] {
        assert_eq!(decide(&settings(|_| {}), &Facts { route, ..base }), PassForChallenge.into());
    }
}

#[test]
fn a_password_in_parameters_does_not_hide_behind_another_credential() {
    let no_basic = settings(|s| s.basic_auth = Switch::Deny);
    for authorization in [
        "OAuth oauth_consumer_key=\"j\"",
        "Bearer MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu",
        "Negotiate x",
    ] {
        let presented = of(Some(authorization), true, "os_username=a&os_password=b");
        for class in [PathClass::Content, PathClass::Protected] {
            assert_eq!(
                decide(&no_basic, &facts(class, &presented)),
                refuse(Reason::BasicDenied),
                "{authorization}"
            );
        }
    }
    // Where the sidecar signs they are removed; a token that gives no user must not be removed instead.
    let token = of(Some("Bearer a.b.c"), false, "os_username=a");
    for class in [PathClass::Protected, PathClass::Content] {
        assert_eq!(decide(&no_basic, &facts(class, &token)), AsUser.into());
    }
    let audit = settings(|s| s.basic_auth = Switch::Audit);
    let noted = |action| Decision { action, audited: Some(Reason::BasicDenied) };
    let beside = of(Some("Bearer MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu"), false, "os_username=a");
    assert_eq!(decide(&audit, &facts(PathClass::Protected, &beside)), noted(ConfirmBearer));
    assert_eq!(decide(&audit, &facts(PathClass::Content, &beside)), noted(Pass));
    assert_eq!(decide(&audit, &facts(PathClass::Content, &token)), AsUserOrWithout.into());
    let other = of(Some("Negotiate x"), false, "os_username=a");
    assert_eq!(decide(&audit, &facts(PathClass::Protected, &other)), refuse(Reason::SchemeUnsupported));
}

#[test]
fn an_oauth1_request_that_confluence_would_not_look_at_is_refused() {
    let settings = settings(|_| {});
    let whole = presented(Kind::OAuth1);
    let base = facts(PathClass::Protected, &whole);
    let incomplete = of(Some("OAuth oauth_consumer_key=\"j\",oauth_signature=\"x\""), false, "");
    let skipped_path = Route { skips_oauth1: true, ..base.route };
    for facts in [
        facts(PathClass::Protected, &incomplete),
        Facts { skips_oauth1: true, ..base },
        Facts { route: skipped_path, ..base },
    ] {
        assert_eq!(decide(&settings, &facts), refuse(Reason::OAuth1Incomplete));
    }
    assert_eq!(decide(&settings, &facts(PathClass::Content, &incomplete)), Pass.into());
}

#[test]
fn a_jwt_counts_only_where_it_is_taken() {
    let settings = settings(|_| {});
    let header = presented(Kind::ApplicationLinkJwt);
    let base = facts(PathClass::Protected, &header);
    let companion = Facts { route: Route { takes_jwt: true, ..base.route }, ..base };
    assert_eq!(decide(&settings, &companion), Pass.into());
    let with_cookie = of(None, true, "jwt=a.b.c");
    let want = PassOnlyWith(AuthType::Cookie);
    assert_eq!(decide(&settings, &facts(PathClass::Protected, &with_cookie)), want.into());
}

#[test]
fn a_public_wikis_sessions_are_left_alone() {
    let public = settings(|s| s.credentials.anonymous = Switch::Allow);
    assert_eq!(decide(&public, &facts(PathClass::Protected, &presented(Kind::Session))), Pass.into());
    assert_eq!(decide(&public, &facts(PathClass::Protected, &presented(Kind::None))), Pass.into());
}
