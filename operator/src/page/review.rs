//! Who a visitor is, and what they may see: the API server's word, asked for each request. Whatever is not a clear yes is a no.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use restward_crds::names;

use super::session::Token;

/// Reviews at a time.
const AT_ONCE: usize = 8;
/// Most reviews for one list of policies.
const MAX_REVIEWS: usize = 200;

/// Somebody with a valid token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visitor(UserInfo);

impl Visitor {
    pub(super) fn name(&self) -> &str {
        self.0.username.as_deref().unwrap_or_default()
    }
}

/// Namespace and name of a policy.
pub(super) type PolicyId = (String, String);

/// The policies that a visitor may see.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) policies: BTreeSet<PolicyId>,
    /// There are more, which nobody asked about.
    pub(super) is_cut: bool,
    /// The visitor may see some, or any there will be. Others are not even told that there are none.
    pub(super) is_somebody: bool,
}

/// Whose token it is; `None` when it is not valid, or not for this page.
///
/// # Errors
/// The API server could not be asked.
pub(super) async fn visitor(client: &Client, token: &Token) -> Result<Option<Visitor>, kube::Error> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            audiences: Some(vec![names::PAGE_AUDIENCE.into()]),
            token: Some(token.as_str().to_owned()),
        },
        ..TokenReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(of_review(answer))
}

/// An API server that knows of no audiences would name none: then the token may be for anything.
fn of_review(review: TokenReview) -> Option<Visitor> {
    let status = review.status?;
    let is_for_page = status.audiences?.iter().any(|audience| audience == names::PAGE_AUDIENCE);
    let user = status.user.filter(|user| user.username.as_ref().is_some_and(|name| !name.is_empty()))?;
    (status.authenticated == Some(true) && is_for_page).then_some(Visitor(user))
}

/// Whether a visitor may `get` a policy; without a name any of the namespace, without a namespace any at all.
///
/// # Errors
/// The API server could not be asked.
pub(super) async fn may_get(
    client: &Client,
    visitor: &Visitor,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Result<bool, kube::Error> {
    let UserInfo { extra, groups, uid, username } = visitor.0.clone();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            extra,
            groups,
            uid,
            user: username,
            resource_attributes: Some(ResourceAttributes {
                group: Some(names::GROUP.into()),
                resource: Some("restapiauthpolicies".into()),
                verb: Some("get".into()),
                namespace: namespace.map(Into::into),
                name: name.map(Into::into),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
}

/// Which of these policies a visitor may see, by few questions: about all, then about each namespace, then about each policy.
///
/// # Errors
/// The API server could not be asked.
pub(super) async fn visible(
    client: &Client,
    visitor: &Visitor,
    all: &BTreeSet<PolicyId>,
) -> Result<Seen, kube::Error> {
    if may_get(client, visitor, None, None).await? {
        return Ok(Seen { policies: all.clone(), is_cut: false, is_somebody: true });
    }
    let namespaces: BTreeSet<String> = all.iter().map(|(namespace, _)| namespace.clone()).collect();
    let asked: Vec<String> = namespaces.into_iter().take(MAX_REVIEWS / 2).collect();
    let questions = asked.len();
    let open: BTreeSet<String> = stream::iter(asked)
        .map(|namespace| async move {
            let may = may_get(client, visitor, Some(&namespace), None).await?;
            Ok::<_, kube::Error>(may.then_some(namespace))
        })
        .buffered(AT_ONCE)
        .try_filter_map(async |found| Ok(found))
        .try_collect()
        .await?;
    let (mut policies, rest): (BTreeSet<PolicyId>, BTreeSet<PolicyId>) =
        all.iter().cloned().partition(|(namespace, _)| open.contains(namespace));
    let single: Vec<PolicyId> = rest.iter().take(MAX_REVIEWS - questions).cloned().collect();
    let is_cut = single.len() < rest.len();
    let found: Vec<PolicyId> = stream::iter(single)
        .map(|(namespace, name)| async move {
            let may = may_get(client, visitor, Some(&namespace), Some(&name)).await?;
            Ok::<_, kube::Error>(may.then_some((namespace, name)))
        })
        .buffered(AT_ONCE)
        .try_filter_map(async |found| Ok(found))
        .try_collect()
        .await?;
    policies.extend(found);
    let is_somebody = is_cut || !policies.is_empty();
    Ok(Seen { policies, is_cut, is_somebody })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_a_clear_yes_for_this_page_is_one() {
        let of = |status: Value| {
            let review = serde_json::from_value(json!({"spec": {}, "status": status})).unwrap();
            of_review(review).map(|visitor| visitor.name().to_owned())
        };
        let user = json!({"username": "system:serviceaccount:atlassian:viewer"});
        let page = json!([names::PAGE_AUDIENCE]);
        assert_eq!(
            of(json!({"authenticated": true, "user": user, "audiences": page})).as_deref(),
            Some("system:serviceaccount:atlassian:viewer")
        );
        for status in [
            json!({}),
            json!({"authenticated": false, "user": user, "audiences": page}),
            json!({"user": user, "audiences": page}),
            json!({"authenticated": true, "user": user}),
            json!({"authenticated": true, "user": user, "audiences": ["https://kubernetes.default.svc"]}),
            json!({"authenticated": true, "audiences": page}),
            json!({"authenticated": true, "user": {"username": ""}, "audiences": page}),
        ] {
            assert_eq!(of(status.clone()), None, "{status}");
        }
        assert_eq!(of_review(TokenReview::default()), None);
    }
}
