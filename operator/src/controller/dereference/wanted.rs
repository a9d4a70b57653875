//! Which ConfigMaps with a `server.xml` are needed, the most needed first, as a policy takes only so many. Pure.

use std::collections::BTreeMap;

use super::{ObservedPod, Programmed, Template};
use crate::{inject, server_xml::Outcome};

/// Who needs a ConfigMap; the first needs it most.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// A pod that runs.
    Pod,
    /// A workload that makes pods.
    Template,
    /// A workload that is scaled to nothing.
    Idle,
}

/// Names of the ConfigMaps that pods and templates mount as the official chart does. An injected pod mounts a derived file
/// instead: `before` says from which ConfigMap it came.
pub(super) fn config_maps<'a>(
    pods: &'a [ObservedPod],
    templates: &'a [Template],
    before: Option<&'a Programmed>,
) -> Vec<&'a str> {
    let mounted = pods.iter().flat_map(|pod| inject::server_xml_config_maps(&pod.raw));
    let derived = pods.iter().filter_map(|pod| source(inject::server_xml_file(&pod.raw)?, before?));
    let made = templates.iter().flat_map(|template| {
        let need = || if template.replicas > 0 { Need::Template } else { Need::Idle };
        inject::server_xml_config_maps(&template.raw).map(move |name| (name, need()))
    });
    let mut needs: BTreeMap<&str, Need> = BTreeMap::new();
    for (name, need) in mounted.chain(derived).map(|name| (name, Need::Pod)).chain(made) {
        let known = needs.entry(name).or_insert(Need::Idle);
        if need < *known {
            *known = need;
        }
    }
    let mut names: Vec<(Need, &str)> = needs.into_iter().map(|(name, need)| (need, name)).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

fn source<'a>(file: &str, before: &'a Programmed) -> Option<&'a str> {
    let is_source =
        |outcome: &Outcome| matches!(outcome, Outcome::Derived(connector) if connector.file == file);
    let known = before.candidate.server_xml.iter().find(|known| is_source(&known.outcome))?;
    Some(&known.config_map)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        controller::validate::validate,
        testing::{observed, pod, policy, template},
    };

    const SERVER_XML: &str = include_str!("../../server_xml/testdata/chart.xml");

    /// Mounts the file of this ConfigMap, under this key.
    fn mount(pod: &mut Value, map: &str, key: &str) {
        pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "restward-server-xml",
            "mountPath": "/opt/atlassian/confluence/conf/server.xml", "subPath": "server.xml"}]);
        pod["spec"]["volumes"] = json!([{"name": "restward-server-xml",
            "configMap": {"name": map, "items": [{"key": key, "path": "server.xml"}]}}]);
    }

    #[test]
    fn running_pods_come_first_and_idle_workloads_last() {
        let mut observed = observed();
        observed.server_xmls = vec![("z-of-an-injected-pod".into(), SERVER_XML.into())];
        let candidate = validate(&policy(json!({})), &observed).unwrap().candidate;
        let Outcome::Derived(connector) = &candidate.server_xml[0].outcome else { panic!("refused") };
        let (mut injected, mut bare) = (pod("wiki-0", json!({})), pod("wiki-1", json!({})));
        mount(&mut injected.raw, "restward-wiki", &connector.file);
        mount(&mut bare.raw, "y-of-a-bare-pod", "server.xml");
        let templates = [("a-idle", 0), ("c-made", 2), ("y-of-a-bare-pod", 0), ("b-idle", 0), ("b-idle", 1)];
        let templates = templates.map(|(map, replicas)| {
            let mut template = template("wiki", json!({}), "confluence");
            mount(&mut template.raw, map, "server.xml");
            Template { replicas, ..template }
        });
        let server_xmls = BTreeMap::new();
        let before =
            Programmed { candidate, config_json: String::new(), ca_pem: None, server_xmls, since: None };
        let names = config_maps(&[injected, bare], &templates, Some(&before)).join(" ");
        assert_eq!(names, "y-of-a-bare-pod z-of-an-injected-pod b-idle c-made a-idle");
    }
}
