//! Path, query and form of a request that is asserted: what the client asked for, without what could name a user.

use http::{HeaderValue, header};

use super::{
    Outgoing, path,
    query::{self, Pair},
};

/// What the client's form becomes.
const FORM_TYPE: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");

/// Rewrites path, query and form; `first` stands before the client's own parameters in the query. Gives all parameters
/// that Tomcat will see.
pub fn without_users(request: &mut Outgoing, first: Option<Pair>) -> Vec<Pair> {
    request.path = path::asserted(&request.path);
    let query = request.query.as_deref().unwrap_or_default().as_bytes();
    let mut parameters: Vec<Pair> = first.into_iter().chain(clients_own(query)).collect();
    request.query = (!parameters.is_empty()).then(|| query::write(&parameters));
    if let Some(form) = &mut request.form {
        let fields = clients_own(form);
        *form = query::write(&fields).into_bytes();
        request.headers.insert(header::CONTENT_TYPE, FORM_TYPE);
        request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.len()));
        request.headers.remove(header::TRANSFER_ENCODING);
        parameters.extend(fields);
    }
    parameters
}

/// A client's parameters without those that could name a user.
fn clients_own(text: &[u8]) -> Vec<Pair> {
    query::parse(text).into_iter().filter(|(name, _)| !query::names_a_user(name)).collect()
}
