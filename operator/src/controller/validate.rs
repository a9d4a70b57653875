//! The validate step in the controller. After it the rest of the pipeline no longer asks whether the policy is right.
//!
//! It runs the sidecar's own parser over the configuration that would be written, so that nothing is programmed which
//! the sidecar would refuse.

use std::collections::BTreeMap;

use kube::ResourceExt;
use restward_crds::{
    api::v1alpha1::{IdentitySpec, OpenIdIssuerSpec, RestApiAuthPolicy, RestApiAuthPolicySpec, Tokens},
    condition::AcceptedReason,
    sidecar::{
        FieldError, Settings,
        config::{Config, Issuer, OpenIdIssuer, OwnClient, PolicyRef, Upstream, VERSION},
        identity::{HeaderIdentity, Identity, OAuth1Identity},
        terms::Authorities,
        tokens::TokenRules,
    },
};

use super::dereference::{Observed, Workload};
use crate::{
    inject,
    policy_source::Candidate,
    selector::{self, Labels},
    server_xml::{self, Derived},
};

/// Longest name of a policy: the names of what is made for it carry more, and end at 253 characters.
const MAX_NAME: usize = 170;
/// Most bytes of certificates: they share a ConfigMap (1 MiB) with the configuration.
const MAX_CA_BYTES: usize = 256 * 1024;

/// A policy that may be programmed.
#[derive(Debug, Clone)]
pub struct Validated {
    /// As injection will see it.
    pub candidate: Candidate,
    /// The sidecar's configuration, but for what the identity provider says.
    pub config: Config,
    /// The same, parsed.
    pub settings: Settings,
    /// The certificate authorities of `caCertificateRefs`, PEM.
    pub ca_pem: Option<String>,
    /// Derived `server.xml` files of the pods.
    pub server_xmls: Vec<Derived>,
    /// Says which pods belong to an older policy, when some do.
    pub conflict: Option<String>,
}

/// Why a policy is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Reason of the condition.
    pub reason: AcceptedReason,
    /// What to change.
    pub message: String,
}

/// Judges a policy.
///
/// # Errors
/// The policy cannot be accepted; says why, and what to change.
pub fn validate(policy: &RestApiAuthPolicy, observed: &Observed) -> Result<Validated, Refused> {
    let mut candidate = candidate(policy)?;
    let ca_pem = certificates(observed)?;
    let config = config(policy, ca_pem.is_some());
    let settings = config.clone().parse().map_err(|errors| invalid(field_errors(&errors)))?;
    candidate.client_assertion_audience = assertion_audience(policy, &settings);
    let sources = observed.server_xmls.iter().map(|(name, source)| (name.as_str(), source.as_str()));
    let (judged, server_xmls) =
        server_xml::all(sources, policy.spec.interception, &observed.mounted_server_xmls());
    candidate.server_xml = judged;
    if observed.name_is_taken {
        return Err(invalid(format!(
            "metadata.name: a ConfigMap {} that Restward did not make exists in this namespace; rename it or the policy",
            candidate.config_map()
        )));
    }
    refuse_synchrony(observed)?;
    let conflict = conflict(&candidate, observed)?;
    Ok(Validated { candidate, config, settings, ca_pem, server_xmls, conflict })
}

fn invalid(message: impl Into<String>) -> Refused {
    Refused { reason: AcceptedReason::Invalid, message: message.into() }
}

/// The policy as injection sees it.
fn candidate(policy: &RestApiAuthPolicy) -> Result<Candidate, Refused> {
    selector::check(&policy.spec.selector).map_err(invalid)?;
    let name = policy.name_any();
    if name.len() > MAX_NAME {
        return Err(invalid(format!("metadata.name: must not be longer than {MAX_NAME} characters")));
    }
    let Some(created) = policy.creation_timestamp() else {
        return Err(invalid("metadata.creationTimestamp: is missing"));
    };
    Ok(Candidate {
        namespace: policy.namespace().unwrap_or_default(),
        name,
        uid: policy.uid().unwrap_or_default(),
        created: created.0,
        selector: policy.spec.selector.clone(),
        container: policy.spec.container.clone(),
        client_secret: policy.spec.keycloak.client_secret_ref.as_ref().map(|secret| secret.name.clone()),
        client_assertion_audience: None,
        audit_volume: policy.spec.audit.volume.clone(),
        interception: policy.spec.interception,
        admin_token: policy.spec.upstream.identity.admin_token().cloned(),
        loopback_bind: policy.spec.loopback_bind,
        server_xml: Vec::new(),
    })
}

/// For whom the token is by which the sidecar shows that it is a client of the realm.
fn assertion_audience(policy: &RestApiAuthPolicy, settings: &Settings) -> Option<String> {
    let assertion = policy.spec.keycloak.client_assertion.as_ref()?;
    let realm = || {
        let issuer = settings.issuers.first()?;
        let expected = || issuer.source.candidates().into_iter().next().map(|(_, expected)| expected);
        issuer.accepted_issuers.first().cloned().or_else(expected)
    };
    assertion.audience.clone().or_else(realm)
}

/// The policy's configuration. Without `..`, so that a new field cannot be forgotten here.
fn config(policy: &RestApiAuthPolicy, own_ca: bool) -> Config {
    let RestApiAuthPolicySpec {
        selector: _,
        container: _,
        mode,
        keycloak,
        issuers,
        username_attribute,
        username_mapping,
        denied_users,
        rules,
        rate_limits,
        trusted_proxies,
        basic_auth,
        tokens,
        external_urls,
        service_accounts,
        credentials,
        anonymous_paths,
        ui_authorization,
        audit,
        interception: _,
        loopback_bind: _,
        on_bypass,
        allowed_listeners,
        upstream,
        rollout: _,
        sidecar: _,
        deletion_policy: _,
    } = policy.spec.clone();
    let Tokens { validation, audiences, authorized_parties, algorithms, clock_skew, required, revocation } =
        tokens;
    let token_rules = TokenRules { validation, algorithms, clock_skew, required, revocation };
    let reference = PolicyRef {
        namespace: policy.namespace().unwrap_or_default(),
        name: policy.name_any(),
        uid: policy.uid().unwrap_or_default(),
        generation: policy.metadata.generation.unwrap_or_default(),
    };
    Config {
        version: VERSION,
        mode,
        issuers: vec![Issuer {
            host: keycloak.host,
            realm: keycloak.realm,
            backchannel_url: keycloak.backchannel_url,
            accepted_issuers: keycloak.accepted_issuers,
            audiences,
            authorized_parties,
            own_ca,
            own_client: match (keycloak.client_secret_ref, keycloak.client_assertion) {
                (Some(_), _) => Some(OwnClient::Secret),
                (None, Some(assertion)) => Some(OwnClient::Assertion(assertion.client_id)),
                (None, None) => None,
            },
            last_known: None,
        }],
        open_id_issuers: issuers.into_iter().map(|issuer| open_id(issuer, own_ca)).collect(),
        tokens: token_rules,
        external_urls,
        username_attribute,
        username_mapping,
        denied_users,
        rules,
        rate_limits,
        trusted_proxies,
        service_accounts,
        basic_auth: basic_auth.mode,
        basic_auth_exceptions: basic_auth.exceptions,
        basic_auth_deprecation: basic_auth.deprecation,
        credentials,
        anonymous_paths,
        ui_authorization,
        audit: audit.rules(),
        on_bypass,
        allowed_listeners,
        upstream: Upstream {
            scheme: upstream.scheme,
            proxy_name: upstream.proxy_name,
            proxy_port: upstream.proxy_port,
            context_path: upstream.context_path,
            timeouts: upstream.timeouts,
            identity: identity(upstream.identity, &reference),
        },
        policy: reference,
        // Which key the link is to have is not known here.
        managed_link: None,
    }
}

fn identity(spec: IdentitySpec, policy: &PolicyRef) -> Identity {
    match spec {
        IdentitySpec::Oauth1(oauth1) => {
            let default = || format!("restward-{}-{}", policy.namespace, policy.name);
            Identity::Oauth1(OAuth1Identity { consumer_key: oauth1.consumer_key.unwrap_or_else(default) })
        }
        IdentitySpec::Header(header) => Identity::Header(HeaderIdentity { name: header.name }),
    }
}

fn open_id(spec: OpenIdIssuerSpec, has_ca: bool) -> OpenIdIssuer {
    OpenIdIssuer {
        issuer: spec.issuer,
        discovery_url: spec.discovery_url,
        backchannel_url: spec.backchannel_url,
        audiences: spec.audiences,
        authorized_parties: spec.authorized_parties,
        username_attribute: spec.username_attribute,
        service_accounts: spec.service_accounts,
        own_ca: has_ca && spec.certificate_authorities == Authorities::Keycloak,
    }
}

/// The parser names members of the configuration; the policy's author knows those of the policy.
fn field_errors(errors: &[FieldError]) -> String {
    let named: Vec<String> = errors
        .iter()
        .map(|FieldError { field, message }| {
            let field = match field.strip_prefix("issuers[0].") {
                Some(member @ ("audiences" | "authorizedParties")) => format!("spec.tokens.{member}"),
                Some(member) => format!("spec.keycloak.{member}"),
                None => format!("spec.{}", field.replacen("openIdIssuers[", "issuers[", 1)),
            };
            format!("{field}: {message}")
        })
        .collect();
    named.join("; ")
}

/// The certificates of all references, one after the other.
fn certificates(observed: &Observed) -> Result<Option<String>, Refused> {
    let mut bundle = String::new();
    for authority in &observed.authorities {
        let (name, key) = (&authority.reference.name, &authority.reference.key);
        let Some(pem) = &authority.pem else {
            return Err(Refused {
                reason: AcceptedReason::ReferenceNotFound,
                message: format!(
                    "spec.keycloak.caCertificateRefs: this namespace has no ConfigMap '{name}' with the key '{key}'"
                ),
            });
        };
        if !has_certificates_only(pem) {
            return Err(invalid(format!(
                "spec.keycloak.caCertificateRefs: '{key}' of ConfigMap '{name}' must hold PEM certificates and nothing else"
            )));
        }
        bundle.push_str(pem.trim_end());
        bundle.push('\n');
    }
    if bundle.len() > MAX_CA_BYTES {
        return Err(invalid("spec.keycloak.caCertificateRefs: more than 256 KiB of certificates"));
    }
    Ok((!observed.authorities.is_empty()).then_some(bundle))
}

fn has_certificates_only(pem: &str) -> bool {
    use rustls::pki_types::pem::{PemObject, SectionKind};
    let sections: Result<Vec<(SectionKind, Vec<u8>)>, _> =
        PemObject::pem_slice_iter(pem.as_bytes()).collect();
    sections.is_ok_and(|sections| {
        !sections.is_empty() && sections.iter().all(|(kind, _)| *kind == SectionKind::Certificate)
    })
}

/// Synchrony has the same image and shares `podLabels`, but it is no Confluence: injected it would not start.
fn refuse_synchrony(observed: &Observed) -> Result<(), Refused> {
    let pods = observed.pods.iter().map(|pod| (&pod.workload, &pod.labels, &pod.raw));
    let templates =
        observed.templates.iter().map(|template| (&template.workload, &template.labels, &template.raw));
    let synchrony = pods.chain(templates).find(|(_, labels, raw)| is_synchrony(labels, raw));
    let Some((workload, ..)) = synchrony else { return Ok(()) };
    Err(Refused {
        reason: AcceptedReason::SelectorTooWide,
        message: format!(
            "spec.selector also matches Synchrony ({} {}); select by a label that only Confluence has, such as \
             app.kubernetes.io/name: confluence",
            workload.kind, workload.name
        ),
    })
}

fn is_synchrony(labels: &Labels, pod: &serde_json::Value) -> bool {
    let named = labels.get("app.kubernetes.io/name").is_some_and(|name| name.contains("synchrony"));
    let containers = pod.pointer("/spec/containers").and_then(serde_json::Value::as_array);
    named || containers.into_iter().flatten().any(|container| container["name"] == "synchrony")
}

/// The pods and templates that an older policy selects too: it wins them whole (never a merge of two policies).
fn conflict(candidate: &Candidate, observed: &Observed) -> Result<Option<String>, Refused> {
    let all: Vec<Candidate> =
        observed.neighbours.iter().cloned().chain(std::iter::once(candidate.clone())).collect();
    let pods = observed.pods.iter().map(|pod| (&pod.workload, &pod.labels));
    let templates = observed.templates.iter().map(|template| (&template.workload, &template.labels));
    let mut lost: BTreeMap<&Workload, &str> = BTreeMap::new();
    let mut keeps_one = false;
    for (workload, labels) in pods.chain(templates) {
        if !selector::matches(&candidate.selector, labels) {
            continue;
        }
        match inject::choose(&all, Some(&candidate.uid), labels) {
            Some(winner) if winner.uid != candidate.uid => _ = lost.insert(workload, &winner.name),
            _ => keeps_one = true,
        }
    }
    if lost.is_empty() {
        return Ok(None);
    }
    let described: Vec<String> = lost
        .iter()
        .map(|(workload, winner)| format!("{} {} belongs to policy {winner}", workload.kind, workload.name))
        .collect();
    let message = format!("an older policy selects the same pods: {}", described.join(", "));
    if keeps_one { Ok(Some(message)) } else { Err(Refused { reason: AcceptedReason::Conflicted, message }) }
}

#[cfg(test)]
mod tests;
