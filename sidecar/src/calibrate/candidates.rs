//! Under which URLs Confluence may know itself: what the policy says, what the pod says, and what Tomcat does without.

use restward_crds::sidecar::{PodSettings, Settings, terms::Scheme};

use crate::identity::{Key, Origin};

/// Context path of Confluence: the policy's, else the pod's.
pub fn context_path<'a>(settings: &'a Settings, pod: &'a PodSettings) -> &'a str {
    settings.upstream.context_path.as_deref().unwrap_or(&pod.context_path)
}

/// Every combination of scheme, name and port, the likeliest first.
pub fn origins(settings: &Settings, pod: &PodSettings) -> Vec<Origin> {
    let upstream = &settings.upstream;
    // Tomcat's default is http.
    let schemes = distinct(
        [upstream.scheme, pod.scheme, Some(Scheme::Http), Some(Scheme::Https)].into_iter().flatten(),
    );
    let names = distinct(with_none(upstream.proxy_name.clone(), pod.proxy_name.clone()));
    let ports = distinct(with_none(upstream.proxy_port, pod.proxy_port));
    let mut origins = Vec::new();
    for scheme in &schemes {
        for name in &names {
            for port in &ports {
                origins.push(Origin { scheme: *scheme, proxy_name: name.clone(), proxy_port: *port });
            }
        }
    }
    origins
}

/// What to sign for and with, in the order in which to try: the URL that was right before comes first, and of the keys the
/// newest. That one is tried again after the other: the link may have changed to it between the two.
pub fn attempts(candidates: &[Origin], before: Option<&Origin>, keys: &[Key]) -> Vec<(Origin, Key)> {
    let others = candidates.iter().filter(|candidate| Some(*candidate) != before);
    let origins = before.into_iter().chain(others);
    let once_more = keys.first().filter(|_| keys.len() > 1);
    let keys = keys.iter().chain(once_more);
    origins.flat_map(|origin| keys.clone().map(|key| (origin.clone(), *key))).collect()
}

/// The policy's value, the pod's value, and none.
fn with_none<T>(policy: Option<T>, pod: Option<T>) -> impl Iterator<Item = Option<T>> {
    [policy, pod].into_iter().flatten().map(Some).chain([None])
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    for value in values {
        if !list.contains(&value) {
            list.push(value);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::forge;
    use serde_json::{Value, json};

    fn described(upstream: Value, pod: Value) -> Vec<String> {
        let mut upstream = upstream;
        upstream["identity"] = json!({"oauth1": {"consumerKey": "restward"}});
        let settings = forge::settings(json!({ "upstream": upstream }));
        let pod = forge::laid_over(json!({"listenPort": 8090}), pod);
        let pod = PodSettings::from_json(&pod.to_string()).unwrap();
        origins(&settings, &pod).iter().map(Origin::describe).collect()
    }

    #[test]
    fn the_likeliest_comes_first_and_nothing_twice() {
        assert_eq!(described(json!({}), json!({})), ["http://<Host header>", "https://<Host header>"]);
        let pod = json!({"scheme": "https", "proxyName": "wiki.example.com", "proxyPort": 443});
        let got = described(json!({}), pod.clone());
        assert_eq!(got.len(), 8);
        assert_eq!(got[0], "https://wiki.example.com:443");
        let policy = json!({"scheme": "http", "proxyName": "other", "proxyPort": 443});
        let got = described(policy, pod);
        assert_eq!((got.len(), got[0].as_str()), (12, "http://other:443"));
    }

    #[test]
    fn the_url_that_was_right_is_tried_first_with_the_newest_key() {
        let origins =
            origins(&forge::settings(json!({})), &PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap());
        let tried = |before: Option<&Origin>, keys: &[Key]| -> Vec<String> {
            let attempts = attempts(&origins, before, keys);
            attempts.iter().map(|(origin, key)| format!("{key:?} {}", origin.describe())).collect()
        };
        let [http, https] = ["http://<Host header>", "https://<Host header>"];
        assert_eq!(tried(None, &[Key::Current]), [format!("Current {http}"), format!("Current {https}")]);
        assert_eq!(
            tried(origins.last(), &[Key::Next, Key::Current]),
            [
                format!("Next {https}"),
                format!("Current {https}"),
                format!("Next {https}"),
                format!("Next {http}"),
                format!("Current {http}"),
                format!("Next {http}")
            ]
        );
    }
}
