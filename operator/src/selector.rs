//! Label selectors: whether one is well formed, and whether it matches.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Whether `selector` is one that a policy may have: not empty, and with operators that exist.
///
/// # Errors
/// What is wrong with it.
pub fn check(selector: &LabelSelector) -> Result<(), String> {
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    if expressions.is_empty() && selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty) {
        return Err("selector: must not be empty".into());
    }
    for LabelSelectorRequirement { key, operator, values } in expressions {
        let has_values = values.as_ref().is_some_and(|values| !values.is_empty());
        let fits = match operator.as_str() {
            "In" | "NotIn" => has_values,
            "Exists" | "DoesNotExist" => !has_values,
            _ => return Err(format!("selector: '{operator}' is no operator of a label selector")),
        };
        if !fits {
            return Err(format!(
                "selector: 'In' and 'NotIn' need values, 'Exists' and 'DoesNotExist' take none (key '{key}')"
            ));
        }
    }
    Ok(())
}

/// Whether `selector` matches `labels`, as the API server decides. One that is not well formed matches nothing.
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    if check(selector).is_err() {
        return false;
    }
    let labels_match =
        selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    labels_match && selector.match_expressions.iter().flatten().all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed =
        value.is_some_and(|value| requirement.values.iter().flatten().any(|candidate| candidate == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// `selector` as it is written in a query.
pub fn query(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
        let LabelSelectorRequirement { key, operator, values } = requirement;
        let values = values.as_deref().unwrap_or_default().join(",");
        match operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selector(json: serde_json::Value) -> LabelSelector {
        serde_json::from_value(json).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn an_empty_or_odd_selector_matches_nothing() {
        for odd in [
            json!({}),
            json!({"matchLabels": {}}),
            json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
        ] {
            let odd = selector(odd);
            assert!(check(&odd).is_err() && !matches(&odd, &labels(&[("a", "x")])), "{odd:?}");
        }
    }

    #[test]
    fn every_requirement_must_hold() {
        let both = selector(json!({"matchLabels": {"app": "wiki"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["test"]}]}));
        assert!(matches(&both, &labels(&[("app", "wiki")])));
        assert!(!matches(&both, &labels(&[("app", "wiki"), ("tier", "test")])));
        assert!(!matches(&both, &labels(&[("tier", "prod")])));
        assert_eq!(query(&both), "app=wiki,tier notin (test)");
    }

    #[test]
    fn operators_mean_what_they_mean_to_the_api_server() {
        let table = [
            ("In", json!(["x"]), true, false, "a in (x)"),
            ("NotIn", json!(["x"]), false, true, "a notin (x)"),
            ("Exists", json!([]), true, false, "a"),
            ("DoesNotExist", json!([]), false, true, "!a"),
        ];
        for (operator, values, with, without, text) in table {
            let selector =
                selector(json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]}));
            assert_eq!(matches(&selector, &labels(&[("a", "x")])), with, "{operator}");
            assert_eq!(matches(&selector, &labels(&[])), without, "{operator}");
            assert_eq!(query(&selector), text);
        }
    }
}
