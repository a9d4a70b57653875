//! Parameters are read as they were meant, and written so that they can be read in one way only.

use http::{HeaderMap, Method};
use restward_sidecar::identity::{
    Outgoing,
    query::{self, Pair},
    rewrite,
};

/// `data` is a form.
pub fn check(data: &[u8]) {
    let read = query::parse(data);
    let written = query::write(&read);
    assert_eq!(query::parse(written.as_bytes()), read, "reads what it writes");
    // Somebody else's parser reads the same in what was written.
    let others: Vec<Pair> = form_urlencoded::parse(written.as_bytes()).into_owned().collect();
    assert_eq!(others, read);

    let mut outgoing = Outgoing {
        method: Method::POST,
        path: "/rest".into(),
        query: None,
        headers: HeaderMap::new(),
        form: Some(data.to_vec()),
    };
    let seen = rewrite::without_users(&mut outgoing, None);
    let form = outgoing.form.unwrap_or_default();
    let left: Vec<Pair> = form_urlencoded::parse(&form).into_owned().collect();
    assert_eq!(left, seen, "what is signed is what is sent");
    let is_about_users = |name: &str| {
        ["os_", "oauth_"].iter().any(|family| name.starts_with(family))
            || ["xoauth_requestor_id", "jwt"].contains(&name)
    };
    let wanted: Vec<Pair> = read.into_iter().filter(|(name, _)| !is_about_users(name)).collect();
    assert_eq!(left, wanted, "the client's own parameters, in their order");
}
