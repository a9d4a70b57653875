use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};

use super::*;

const PAT: &str = "MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu";

fn present(authorization: Option<&str>, cookie: bool, query: &str, form: &str) -> Presented {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    if cookie {
        headers.insert(header::COOKIE, HeaderValue::from_static("JSESSIONID=1"));
    }
    Presented::of(&headers, Some(query), Some(form.as_bytes()))
}

#[test]
fn kinds_by_authorization() {
    let own = format!("Bearer {}.{}.c2ln", B64.encode(r#"{"alg":"HS256"}"#), B64.encode(r#"{"id":"1"}"#));
    let pat = format!("Bearer {PAT}");
    for (value, want) in [
        ("Basic YTpi", Kind::Basic),
        ("bAsIc YTpi", Kind::Basic),
        ("  Basic YTpi", Kind::Basic),
        ("\tbasic\tYTpi", Kind::Basic),
        ("BasicYTpi", Kind::Basic),
        ("Bearer a.b.c", Kind::Token),
        ("bearer a.b.c", Kind::Token),
        ("Bearer opaque", Kind::Token),
        ("Bearer", Kind::MalformedToken),
        ("Bearer ", Kind::MalformedToken),
        ("Bearer  a.b.c", Kind::MalformedToken),
        ("Bearer a b", Kind::MalformedToken),
        ("Bearer a.b.c, Basic x", Kind::MalformedToken),
        (&pat, Kind::PersonalAccessToken),
        (&own, Kind::ConfluenceOAuth2),
        ("OAuth realm=\"\"", Kind::OAuth1),
        ("oauth x=\"\"", Kind::OAuth1),
        ("JWT a.b.c", Kind::ApplicationLinkJwt),
        ("Negotiate x", Kind::Other),
        ("Digest x", Kind::Other),
        ("DPoP a.b.c", Kind::Token),
        ("dpop a.b.c", Kind::Token),
        ("DPoP opaque", Kind::MalformedToken),
        ("DPoP  a.b.c", Kind::MalformedToken),
        ("DPoP", Kind::MalformedToken),
        (&pat.replace("Bearer", "DPoP"), Kind::MalformedToken),
        (&own.replace("Bearer", "DPoP"), Kind::MalformedToken),
        ("", Kind::Other),
        ("a.b.c", Kind::Other),
    ] {
        assert_eq!(present(Some(value), true, "os_username=a&oauth_signature=b", "").kind, want, "{value:?}");
    }
}

#[test]
fn kinds_without_authorization() {
    for (cookie, query, form, want) in [
        (false, "", "", Kind::None),
        (false, "os_authType=none", "", Kind::None),
        (true, "", "", Kind::Session),
        (true, "os_username=a", "", Kind::PasswordParameters),
        (true, "a=b", "x=1&os_password=a", Kind::PasswordParameters),
        (false, "os%5Fusername=a", "", Kind::PasswordParameters),
        (false, "%6fs_cookie", "", Kind::PasswordParameters),
        (true, "oauth_signature=x", "", Kind::OAuth1),
        (false, "", "oauth%5fsignature=x", Kind::OAuth1),
        (true, "jwt=a.b.c", "", Kind::ApplicationLinkJwt),
        (true, "access_token=a.b.c", "", Kind::Session),
    ] {
        assert_eq!(present(None, cookie, query, form).kind, want, "{cookie} {query} {form}");
    }
}

#[test]
fn a_password_beside_another_credential_is_seen() {
    assert!(present(Some("OAuth x=\"y\""), false, "", "os_username=a").has_password_parameters);
    assert!(!present(Some("OAuth x=\"y\""), false, "os_usernam=a", "").has_password_parameters);
}

#[test]
fn a_consumer_key_is_seen_in_every_place_and_spelling() {
    for (authorization, query, form) in [
        (Some("OAuth oauth_consumer_key=\"sidecar\""), "", ""),
        (Some("oAuth realm=\"x\",oauth%5Fconsumer%5fkey = \"s%69decar\" ,a=\"b\""), "", ""),
        (Some("OAuth a=\"b,oauth_consumer_key=\"sidecar\"\""), "", ""),
        (Some("OAuth oauth_consumer_key=sidecar"), "", ""),
        (None, "oauth_consumer_key=sidecar", ""),
        (None, "oauth_consumer_key=other&oauth_consumer%5Fkey=sid%65car", ""),
        (None, "", "a=b&oauth_consumer_key=sidecar"),
        (Some("Bearer a.b.c"), "oauth_consumer_key=sidecar", ""),
    ] {
        assert!(
            present(authorization, false, query, form).uses_consumer("sidecar"),
            "{authorization:?} {query} {form}"
        );
    }
    let mut two = HeaderMap::new();
    two.append(header::AUTHORIZATION, HeaderValue::from_static("Basic x"));
    two.append(header::AUTHORIZATION, HeaderValue::from_static("OAuth oauth_consumer_key=\"sidecar\""));
    assert!(Presented::of(&two, None, None).uses_consumer("sidecar"));
    assert!(!present(Some("OAuth oauth_consumer_key=\"sidecar2\""), false, "", "").uses_consumer("sidecar"));
}

#[test]
fn completeness_counts_parameters_of_all_places() {
    let header = "OAuth oauth_consumer_key=\"jira\", oauth_token=\"\", oauth_signature_method=\"RSA-SHA1\", \
                  oauth_signature=\"x%3D\", oauth_timestamp=\"1\"";
    assert!(!present(Some(header), false, "", "").oauth1_is_complete);
    assert!(present(Some(header), false, "oauth_nonce=1", "").oauth1_is_complete);
    assert!(present(Some(header), false, "", "oauth_nonce=1").oauth1_is_complete);
}

#[test]
fn only_pairs_that_the_library_reads_count() {
    let whole = "oauth_consumer_key=\"j\",oauth_token=\"\",oauth_signature_method=\"RSA-SHA1\",oauth_signature=\"x\",\
                 oauth_timestamp=\"1\",";
    for (nonce, want) in [
        ("oauth_nonce=\"n\"", true),
        ("oauth%5Fnonce = \"n\"", true),
        ("oauth_nonce=n", false),
        ("oauth_nonce=\"n", false),
        ("oauth_nonce=\"n\"x", false),
        ("oauth_nonce='n'", false),
        ("x oauth_nonce=\"n\"", false),
        ("oauth_nonce=\"a,b\"", false),
        ("oauth_nonce=\"%zz\"", false),
        ("oauth_nonce", false),
    ] {
        let header = format!("OAuth {whole}{nonce}");
        assert_eq!(present(Some(&header), false, "", "").oauth1_is_complete, want, "{nonce}");
    }
}

#[test]
fn nothing_presented_is_shown() {
    assert!(
        !format!("{:?}", present(Some("Bearer sec.re.t"), true, "os_password=hunter2", "")).contains("re.t")
    );
}
