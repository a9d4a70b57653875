//! Long lists, some objects at a time: a thousand policies with what belongs to them are tens of megabytes at once, which the
//! allocator would keep.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::{Api, Resource, api::ListParams, core::PartialObjectMeta};
use serde::de::DeserializeOwned;

/// Objects of a page.
pub const PAGE: u32 = 100;

/// What `keep` takes of the metadata of each object with these labels; `""`: of all.
///
/// # Errors
/// The API server refused, or forgot the list meanwhile (410 after some minutes).
pub async fn of_metadata<K, T>(
    api: &Api<K>,
    labels: &str,
    keep: impl Fn(&PartialObjectMeta<K>) -> Option<T>,
) -> kube::Result<Vec<T>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut kept = Vec::new();
    let mut next = Some(first(labels));
    while let Some(params) = next {
        let page = api.list_metadata(&params).await?;
        kept.extend(page.items.iter().filter_map(&keep));
        next = following(&params, &page.metadata);
    }
    Ok(kept)
}

/// Whether every object with these labels is so.
///
/// # Errors
/// As [`of_metadata`].
pub async fn all<K>(api: &Api<K>, labels: &str, is_so: impl Fn(&K) -> bool) -> kube::Result<bool>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut next = Some(first(labels));
    while let Some(params) = next {
        let page = api.list(&params).await?;
        if !page.items.iter().all(&is_so) {
            return Ok(false);
        }
        next = following(&params, &page.metadata);
    }
    Ok(true)
}

fn first(labels: &str) -> ListParams {
    ListParams::default().labels(labels).limit(PAGE)
}

/// `None`: that was the last.
fn following(params: &ListParams, page: &ListMeta) -> Option<ListParams> {
    let token = page.continue_.as_deref().filter(|token| !token.is_empty())?;
    Some(params.clone().continue_token(token))
}

#[cfg(test)]
mod tests {
    use axum::response::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Client, ResourceExt as _};
    use serde_json::json;

    use super::*;
    use crate::testing::api_server::{Asked, answer, client_at_once, refusal};

    /// Three pages of two, of ConfigMaps with these labels; the last page is refused when it `is_forgotten`.
    fn api_server(is_forgotten: bool) -> (Client, Asked) {
        let asked = Asked::default();
        let noted = asked.clone();
        let client = client_at_once(move |request| {
            noted.note(&request.query);
            match request.query.split("continue=").nth(1).unwrap_or_default() {
                "" => page(["a", "b"], "second"),
                "second" => page(["c", "d"], "third"),
                "third" if is_forgotten => {
                    refusal(410, "Expired", "the provided continue parameter is too old")
                }
                _ => page(["e", "f"], ""),
            }
        });
        (client, asked)
    }

    fn page(names: [&str; 2], next: &str) -> Response {
        let items = names.map(|name| json!({"metadata": {"name": name}}));
        answer(json!({"metadata": {"resourceVersion": "1", "continue": next}, "items": items}))
    }

    #[tokio::test]
    async fn nothing_of_a_long_list_is_missed() {
        let (client, asked) = api_server(false);
        let maps = Api::<ConfigMap>::all(client);
        let kept = of_metadata(&maps, "a=b", |map| Some(map.name_any()).filter(|name| name != "b")).await;
        assert_eq!(kept.unwrap(), ["a", "c", "d", "e", "f"]);
        let asked = asked.take();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|query| query.contains("limit=100") && query.contains("labelSelector=a")));
    }

    #[tokio::test]
    async fn one_that_is_not_so_is_enough_on_any_page() {
        let (client, asked) = api_server(false);
        let maps = Api::<ConfigMap>::all(client);
        for (odd, pages) in [("a", 1), ("d", 2), ("f", 3)] {
            assert!(!all(&maps, "a=b", |map| map.name_any() != odd).await.unwrap(), "{odd}");
            assert_eq!(asked.take().len(), pages);
        }
        assert!(all(&maps, "a=b", |_| true).await.unwrap());
    }

    /// What is not on the list would be taken for gone.
    #[tokio::test]
    async fn a_part_of_a_list_is_no_list() {
        let maps = Api::<ConfigMap>::all(api_server(true).0);
        assert!(of_metadata(&maps, "", |map| Some(map.name_any())).await.is_err());
        assert!(all(&maps, "", |_| true).await.is_err());
    }
}
