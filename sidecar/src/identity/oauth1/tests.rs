//! Known vectors.

use super::{super::query, *};

fn pairs(list: &[(&str, &str)]) -> Vec<Pair> {
    list.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect()
}

#[test]
fn the_example_of_rfc_5849_section_3_4_1() {
    // Query `b5=%3D%253D&a3=a&c%40=&a2=r%20b`, form `c2&a3=2+q`, and the header's parameters.
    let mut parameters = query::parse(b"b5=%3D%253D&a3=a&c%40=&a2=r%20b");
    parameters.extend(query::parse(b"c2&a3=2+q"));
    parameters.extend(pairs(&[
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ]));
    assert_eq!(
        signature_base_string("POST", "http://example.com/request", &parameters),
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D\
         %26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
         %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    );
}

#[test]
fn parameters_are_sorted_by_encoded_name_then_value() {
    // `a` before `a%20`: a longer name never sorts before the shorter because of its `=`.
    let parameters =
        pairs(&[("a ", "1"), ("a", "2"), ("a", "10"), ("A", "3"), ("\u{e9}", "4"), ("a-b", "5")]);
    let base = signature_base_string("GET", "http://h/", &parameters);
    let decoded =
        percent_encoding::percent_decode_str(base.rsplit('&').next().unwrap()).decode_utf8().unwrap();
    assert_eq!(decoded, "%C3%A9=4&A=3&a=10&a=2&a%20=1&a-b=5");
}

#[test]
fn encoding_is_rfc_5849s() {
    let table = [
        ("abcABC123-._~", "abcABC123-._~"),
        ("%", "%25"),
        ("+", "%2B"),
        (" ", "%20"),
        ("&=*", "%26%3D%2A"),
        ("\u{a}", "%0A"),
        ("\u{7f}", "%7F"),
        ("\u{80}", "%C2%80"),
        ("\u{3001}", "%E3%80%81"),
    ];
    for (text, want) in table {
        assert_eq!(encode(text), want, "{text:?}");
    }
}

#[test]
fn damage_needs_a_signature() {
    let mut headers = HeaderMap::new();
    assert_eq!(damage(&mut headers), None);
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert_eq!(damage(&mut headers), None);
    for (value, want) in [("+", "A"), ("A", "B"), ("B", "A")] {
        let value = format!("OAuth oauth_signature=\"{}bc%3D\"", encode(value));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        damage(&mut headers).unwrap();
        assert_eq!(headers[header::AUTHORIZATION], format!("OAuth oauth_signature=\"{want}bc%3D\""));
    }
}
