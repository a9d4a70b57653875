//! Spec of `RestApiAuthPolicy`. The doc comments are the manual: `kubectl explain restapiauthpolicy.spec`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    audit::AuditSpec,
    basic_auth::BasicAuth,
    identity::IdentitySpec,
    interception::{Interception, LoopbackBind},
    issuers::{Keycloak, OpenIdIssuerSpec},
    sidecar::SidecarSpec,
    status::RestApiAuthPolicyStatus,
};
use crate::sidecar::{
    config::{AnonymousPaths, Credentials, Timeouts},
    terms::{Mode, Scheme, ServiceAccount, UiAuthorization},
    tokens::{Algorithm, Required, Revocation, TokenRules, Validation},
};
use crate::sidecar::{
    enforcement::{AllowedListener, OnBypass},
    limits::RateLimit,
    who::{CallRule, TrustedProxies, UsernameMapping},
};
use crate::text::GoDuration;

/// Who may call the REST API of the selected Confluence pods, and as whom.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "restward.io",
    version = "v1alpha1",
    kind = "RestApiAuthPolicy",
    plural = "restapiauthpolicies",
    shortname = "rap",
    category = "restward",
    namespaced,
    status = "RestApiAuthPolicyStatus",
    derive = "PartialEq",
    doc = "Who may call the REST API of the selected Confluence pods, and as whom.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Enforced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Enforced')].status"
    ),
    printcolumn(name = "Realm", type_ = "string", json_path = ".spec.keycloak.realm"),
    printcolumn(name = "Basic", type_ = "string", json_path = ".spec.basicAuth.mode"),
    printcolumn(name = "Audience", type_ = "string", json_path = ".status.audience"),
    printcolumn(name = "Pods", type_ = "string", json_path = ".status.pods"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        priority = "1",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = ("self.tokens.validation != 'Introspection' || has(self.keycloak.clientSecretRef) || has(self.keycloak.clientAssertion)",
    "tokens.validation: Introspection needs a client that may ask: set keycloak.clientSecretRef or clientAssertion"),
    validation = ("!has(self.keycloak.provisioning) || self.keycloak.provisioning.state == 'Absent' || (has(self.tokens.audiences) && size(self.tokens.audiences) > 0)",
    "keycloak.provisioning makes a client scope with the audiences of tokens.audiences: list one, such as confluence"),
    validation = ("self.interception != 'UnixSocket' || self.loopbackBind == 'Auto'",
    "interception: UnixSocket reaches Tomcat in the same way as the loopback address: leave loopbackBind at Auto"))]
pub struct RestApiAuthPolicySpec {
    /// Pods of this namespace that the policy protects. Must not be empty. On the official chart:
    /// `matchLabels: {app.kubernetes.io/name: confluence}`. It must not match Synchrony.
    #[x_kube(validation = ("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "selector must not be empty: name the labels of the Confluence pods, such as matchLabels: {app.kubernetes.io/name: confluence}"))]
    pub selector: LabelSelector,

    /// Name of the Confluence container. Default: the container that has a port named `http` and the variable
    /// `ATL_TOMCAT_PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,

    /// Enforce refuses what the policy refuses. Audit forwards everything as without Restward and records what it
    /// would have refused, and why. Off forwards everything and decides nothing: the break-glass.
    #[serde(default)]
    pub mode: Mode,

    /// The Keycloak realm whose tokens are accepted.
    #[x_kube(validation = ("!(has(self.clientSecretRef) && has(self.clientAssertion))",
        "keycloak takes clientSecretRef or clientAssertion, not both"))]
    pub keycloak: Keycloak,

    /// Further issuers whose tokens are accepted: other realms of Keycloak, or any OpenID Connect issuer whose access
    /// tokens are JWTs that say what they are (`typ: at+jwt` of RFC 9068, or Keycloak's claim `typ: Bearer`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["issuer".into()]))]
    pub issuers: Vec<OpenIdIssuerSpec>,

    /// Claim that names the Confluence user: a member name taken literally (dots have no meaning), or a JSON pointer
    /// (RFC 6901) when it starts with `/`. Map only attributes that users cannot edit themselves.
    #[serde(default = "default_username_attribute")]
    #[schemars(length(min = 1, max = 255))]
    pub username_attribute: String,

    /// How the name in a token becomes the name of a Confluence user. Service accounts are mapped by `serviceAccounts` only.
    #[serde(default)]
    pub username_mapping: UsernameMapping,

    /// Confluence users as whom no token may act, without regard to case. A call by token skips Confluence's second
    /// question for the password (secure administrator sessions): system administrators are worth listing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 255)))]
    pub denied_users: Vec<String>,

    /// Who may make which calls of the API: the first rule that fits decides, and what fits none is allowed. They are
    /// about calls with a credential of their own; browser sessions, and paths that need no credential, are not asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub rules: Vec<CallRule>,

    /// How often a caller may call; above that it gets 429 with `Retry-After`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub rate_limits: Vec<RateLimit>,

    /// Whose `X-Forwarded-For` is believed when the caller's address counts, in `rules`, `rateLimits` and audit lines.
    /// Default: nobody's.
    #[serde(default)]
    #[x_kube(validation = ("!(has(self.hops) && has(self.cidrs))", "trustedProxies takes hops or cidrs, not both"),
        validation = ("!has(self.clientCertificateHeader) || has(self.cidrs)",
            "clientCertificateHeader is believed of known proxies only: set trustedProxies.cidrs"))]
    pub trusted_proxies: TrustedProxies,

    /// Password logins on the REST API.
    #[serde(default)]
    pub basic_auth: BasicAuth,

    /// Which tokens of the realm are accepted. Without any entry every client of the realm may call.
    #[serde(default)]
    pub tokens: Tokens,

    /// Scheme, host and port under which clients reach Confluence, such as `https://wiki.example.com`. With it tokens that are
    /// bound to a key of the client (DPoP, RFC 9449) are accepted with their proof; without it they are refused.
    #[serde(rename = "externalURLs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 1024)))]
    #[x_kube(validation = ("self.all(u, u.matches('^https?://[^/?#@\\\\s]+/?$'))",
        "externalURLs are scheme, host and port only, such as https://wiki.example.com"))]
    pub external_urls: Vec<String>,

    /// Clients whose own tokens (client credentials) act as a Confluence user. Such tokens name no Confluence user by
    /// themselves and are refused when the client is not listed. No wildcards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["client".into()]))]
    #[x_kube(validation = ("self.all(a, !a.client.contains('*'))", "serviceAccounts take no wildcards: list each client id"))]
    pub service_accounts: Vec<ServiceAccount>,

    /// Switches for the other kinds of credential.
    #[serde(default)]
    pub credentials: Credentials,

    /// REST paths that need no credential.
    #[serde(default)]
    pub anonymous_paths: AnonymousPaths,

    /// What a token on pages and content is for; one that gives a user counts in either case. Ignore removes one that
    /// does not and leaves the page to Confluence's session. Authenticate refuses it, as on the REST API.
    #[serde(default)]
    pub ui_authorization: UiAuthorization,

    /// Which requests get an audit line, as JSON, without token, password or query, and where the lines go.
    #[serde(default)]
    pub audit: AuditSpec,

    /// Confluence behind the sidecar. Everything has a default that is right for the official chart.
    #[serde(default)]
    pub upstream: UpstreamSpec,

    /// Where Tomcat listens behind the sidecar. A change needs a restart of the pods.
    #[serde(default)]
    pub interception: Interception,

    /// Whether Tomcat is told to listen on the pod's loopback only, where the image renders its `server.xml`. Where the
    /// chart's ConfigMap has it, it always does.
    #[serde(default)]
    pub loopback_bind: LoopbackBind,

    /// What happens when a sidecar finds a way to Confluence around itself. Condition `Enforced` names it either way.
    #[serde(default)]
    pub on_bypass: OnBypass,

    /// Ports of the pod on which something else may listen, such as Hazelcast's 5701. Restward looks at every other open
    /// port, and warns of those that it does not know although they do not lead to Confluence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["port".into()]))]
    #[x_kube(validation = ("self.all(l, l.port != 18090)",
        "allowedListeners: 18090 is Tomcat's own port behind the sidecar, which is never allowed to answer anybody else"))]
    pub allowed_listeners: Vec<AllowedListener>,

    /// How pods that run already get the sidecar, and lose it.
    #[serde(default)]
    pub rollout: Rollout,

    /// The injected container.
    #[serde(default)]
    pub sidecar: SidecarSpec,

    /// What happens to injected pods when the policy is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn default_username_attribute() -> String {
    "preferred_username".into()
}

/// Which tokens of the realm are accepted.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tokens {
    /// Who decides whether a token is valid: the realm's keys alone, or the realm itself.
    #[serde(default)]
    pub validation: Validation,
    /// Accepted audiences (`aud`): one must match exactly. Keycloak adds one only by an Audience mapper; its `account`
    /// is not meant for Confluence. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub audiences: Vec<String>,
    /// Client ids that may call (`azp`). It does not replace an audience. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 255)))]
    pub authorized_parties: Vec<String>,
    /// Algorithms that may sign tokens; asymmetric ones only, and a key only ever verifies the one it was published for.
    /// Default: all of them.
    #[serde(default = "every_algorithm")]
    #[schemars(length(min = 1, max = 10))]
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks of identity provider and pods may differ. At most `60s`.
    #[serde(default = "default_clock_skew")]
    #[x_kube(validation = ("duration(self) <= duration('60s')", "clockSkew must be at most 60s"))]
    pub clock_skew: GoDuration,
    /// What a token must grant: every entry of every list, else 403.
    #[serde(default)]
    pub required: Required,
    /// How tokens are revoked before they expire.
    #[serde(default)]
    #[x_kube(validation = ("duration(self.pollInterval) == duration('0s') || duration(self.pollInterval) >= duration('1s')",
        "pollInterval must be 0s for never, or at least 1s"))]
    pub revocation: Revocation,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            validation: Validation::default(),
            audiences: Vec::new(),
            authorized_parties: Vec::new(),
            algorithms: every_algorithm(),
            clock_skew: default_clock_skew(),
            required: Required::default(),
            revocation: Revocation::default(),
        }
    }
}

fn every_algorithm() -> Vec<Algorithm> {
    TokenRules::default().algorithms
}

fn default_clock_skew() -> GoDuration {
    TokenRules::default().clock_skew
}

/// Confluence behind the sidecar. What is absent is taken from the pod's variables and found by calibration.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamSpec {
    /// Scheme of Tomcat's connector. Default: `ATL_TOMCAT_SCHEME` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// `proxyName` of Tomcat's connector. Default: `ATL_PROXY_NAME` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub proxy_name: Option<String>,
    /// `proxyPort` of Tomcat's connector. Default: `ATL_PROXY_PORT` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub proxy_port: Option<u16>,
    /// Context path: empty, or such as `/confluence`. Default: `ATL_TOMCAT_CONTEXTPATH` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = ("self == '' || self.matches('^(/[A-Za-z0-9._~-]+)+$')",
        "contextPath must be empty or start with a slash and not end with one, such as /confluence"))]
    pub context_path: Option<String>,
    /// Time limits towards Confluence.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How the user is named to Confluence. Default: `oauth1`.
    #[serde(default)]
    pub identity: IdentitySpec,
}

/// How pods that run already get the sidecar.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Manual: status names the workloads to restart and the command. New pods are injected by themselves. Automatic: the
    /// operator has the pods of StatefulSets and Deployments made anew, one workload at a time, when they lack the sidecar
    /// or a change of the policy needs it, and again without the sidecar when the policy is deleted.
    #[serde(default)]
    pub strategy: RolloutStrategy,
}

/// Who restarts the pods.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RolloutStrategy {
    /// The administrator.
    #[default]
    Manual,
    /// The operator, by annotation `restward.io/injection-hash` on the pod template, and so in the way of the workload's own
    /// update strategy. An upgrade of the operator restarts nothing.
    Automatic,
}

/// What happens to injected pods when the policy is deleted.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// New pods come without the sidecar. Running ones keep enforcing until they are restarted, by `rollout.strategy`; only
    /// then do the keys go.
    #[default]
    Detach,
    /// Nothing changes for anybody: the deleted policy stays in force, for new pods too, and `kubectl get` shows it, until it
    /// is released by setting this to Detach.
    Retain,
}
