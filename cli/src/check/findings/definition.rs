//! The definition of the kind: what it does not have, the API server drops from policies and from their status. Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use kube::CustomResourceExt as _;
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde_json::Value;

use super::{
    super::facts::{Operator, Seen},
    OWN,
};
use crate::report::Finding;

/// The version of the kind that this program reads.
const VERSION: &str = "v1alpha1";
/// Most fields that are named.
const NAMED: usize = 5;

pub(super) fn of(
    definition: Option<&CustomResourceDefinition>,
    operators: &Seen<Vec<Operator>>,
) -> Vec<Finding> {
    let what = format!("RestApiAuthPolicy is defined in version {VERSION}");
    let Some(definition) = definition else {
        let fix = "install the chart restward-crds";
        return vec![Finding::wrong(what, "the API server does not know the kind", fix)];
    };
    let Some(served) = served(definition) else {
        let fix = "upgrade the chart restward-crds";
        return vec![Finding::wrong(what, "the cluster has other versions only", fix)];
    };
    vec![Finding::right(what), fields(served, operators)]
}

fn served(definition: &CustomResourceDefinition) -> Option<&CustomResourceDefinitionVersion> {
    definition.spec.versions.iter().find(|version| version.name == VERSION && version.served)
}

/// Helm leaves definitions alone, so that they are easily of an older release than the operator.
fn fields(served: &CustomResourceDefinitionVersion, operators: &Seen<Vec<Operator>>) -> Finding {
    let what = "its definition has every field of this version";
    let known = RestApiAuthPolicy::crd();
    let schema = |version: &CustomResourceDefinitionVersion| {
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        schema.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default()
    };
    let missing =
        self::served(&known).map(|known| missing(&schema(known), &schema(served), "")).unwrap_or_default();
    if missing.is_empty() {
        return Finding::right(what);
    }
    let more = missing.len().saturating_sub(NAMED);
    let named = missing.get(..NAMED).unwrap_or(&missing).join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = format!("the API server does not keep {named}{more}");
    let is_in_use =
        operators.as_ref().is_ok_and(|operators| operators.iter().any(|it| it.version() == Some(OWN)));
    if is_in_use {
        let fix = "helm upgrade --install restward-crds charts/restward-crds, of the operator's release; \
                   then let the operator write again: kubectl rollout restart of its Deployment";
        Finding::wrong(what, why, fix)
    } else {
        let fix = "nothing, unless the operator is of this version too: then helm upgrade --install restward-crds charts/restward-crds";
        Finding::warning(what, why, fix)
    }
}

/// Paths of the fields that are known and not served.
fn missing(known: &Value, served: &Value, path: &str) -> Vec<String> {
    if served.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let mut paths = Vec::new();
    let fields = known.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match served.get("properties").and_then(|fields| fields.get(name)) {
            Some(served) => paths.extend(missing(field, served, &path)),
            None => paths.push(path),
        }
    }
    for (member, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let (Some(known), Some(served)) = (known.get(member), served.get(member)) {
            paths.extend(missing(known, served, &format!("{path}{mark}")));
        }
    }
    paths
}
