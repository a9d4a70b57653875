//! Every name that more than one part of Restward spells: labels, annotations, ports, files, variables.

/// API group of all kinds, labels and annotations.
pub const GROUP: &str = "restward.io";

/// Label on every object that the operator manages; its value is `true`.
pub const LABEL_MANAGED: &str = "restward.io/managed";
/// Label that names the policy an object was made for.
pub const LABEL_POLICY: &str = "restward.io/policy";
/// Label with the namespace of the policy, on cluster-scoped objects.
pub const LABEL_POLICY_NAMESPACE: &str = "restward.io/policy-namespace";
/// Label set by injection on every injected pod; its value is the policy's UID.
pub const LABEL_INJECTED: &str = "restward.io/injected";

/// Annotation that only the webhook sets: the hash of what was injected.
pub const ANNOTATION_INJECTED_HASH: &str = "restward.io/injected-hash";
/// Annotation on pod templates, which the operator sets to have pods made anew (`rollout.strategy: Automatic`): the hash of what
/// they are to be injected with, or [`NOTHING_INJECTED`]. Pods are never judged by it.
pub const ANNOTATION_INJECTION_HASH: &str = "restward.io/injection-hash";
/// Value of [`ANNOTATION_INJECTION_HASH`] for pods that are to come without the sidecar.
pub const NOTHING_INJECTED: &str = "none";
/// Annotation on pods with the hash of the configuration that the operator last wrote; touched so that the kubelet syncs at once.
pub const ANNOTATION_CONFIG_HASH: &str = "restward.io/config-hash";
/// Annotation on pods whose sidecar is being replaced by one of another image: the id of the container that was there, or
/// [`NO_CONTAINER`], and after a space its image. It goes when the pod is well with the new one.
pub const ANNOTATION_REPLACED_CONTAINER: &str = "restward.io/replaced-container";
/// Value of [`ANNOTATION_REPLACED_CONTAINER`] where there was none yet.
pub const NO_CONTAINER: &str = "none";
/// Annotation on pods that names the policy which injected them.
pub const ANNOTATION_POLICY: &str = "restward.io/policy";

/// Annotation on policies: each new value asks for a new key of the OAuth 1 consumer, and for another status key.
pub const ANNOTATION_ROTATE: &str = "restward.io/rotate-consumer-key";

/// Annotation on the Secret with the webhook's certificate authority: each new value asks for a new one.
pub const ANNOTATION_ROTATE_CA: &str = "restward.io/rotate-webhook-ca";

/// Finalizer on every policy: what was made for it goes before the policy does, or stays with it (`deletionPolicy: Retain`).
pub const FINALIZER_DETACH: &str = "restward.io/detach";
/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "restward-operator";

/// Field manager of `status.inForce` of policies.
pub fn in_force_manager() -> String {
    format!("{FIELD_MANAGER}/in-force")
}

/// Reason of the Events that tell of each use of the chart's `breakGlass.groups`.
pub const BREAK_GLASS_USED: &str = "BreakGlassUsed";

/// Field manager of `status.breakGlass` of policies.
pub fn break_glass_manager() -> String {
    format!("{FIELD_MANAGER}/break-glass")
}

/// Field manager of [`ANNOTATION_INJECTION_HASH`] on StatefulSets and Deployments.
pub fn rollout_manager() -> String {
    format!("{FIELD_MANAGER}/rollout")
}

/// Name of the injected container.
pub const SIDECAR_CONTAINER: &str = "restward-proxy";
/// Name of the one projected volume with configuration and keys.
pub const CONFIG_VOLUME: &str = "restward-config";
/// Name of the volume that holds the Tomcat valve file.
pub const VALVE_VOLUME: &str = "restward-valve";
/// Name of the volume that holds the derived `server.xml`, in pods that mount the official chart's.
pub const SERVER_XML_VOLUME: &str = "restward-server-xml";
/// Name of the volume in which Tomcat's Unix socket is, where Tomcat listens on one.
pub const SOCKET_VOLUME: &str = "restward-socket";
/// Directory at which [`SOCKET_VOLUME`] is mounted, in Confluence's container and in the sidecar.
pub const SOCKET_DIR: &str = "/run/restward";
/// Tomcat's Unix socket, in a directory of [`SOCKET_DIR`] that the sidecar makes.
pub const SOCKET: &str = "/run/restward/tomcat/tomcat.sock";
/// Name of the empty volume that hides the pod's ServiceAccount token from the sidecar.
pub const NO_TOKEN_VOLUME: &str = "restward-no-token";

/// Name of the volume for what the sidecar remembers over a restart of its container.
pub const STATE_VOLUME: &str = "restward-state";

/// Name of the Secret with the keys of all policies of a namespace.
pub const KEYS_SECRET: &str = "restward-keys";
/// Directory in the sidecar at which the projected volume is mounted.
pub const CONFIG_DIR: &str = "/etc/restward";
/// File with the sidecar's configuration (`sidecar::Config`), in [`CONFIG_DIR`].
pub const FILE_CONFIG: &str = "config.json";
/// File with the RSA private key of the OAuth 1 consumer (PKCS#8 PEM), in [`CONFIG_DIR`].
pub const FILE_CONSUMER_KEY: &str = "consumer-key.pem";
/// File with the key that is to follow it, in [`CONFIG_DIR`]; absent unless the key is being replaced.
pub const FILE_NEXT_CONSUMER_KEY: &str = "next-consumer-key.pem";
/// File with the HMAC key of the status endpoint (64 hexadecimal digits), in [`CONFIG_DIR`].
pub const FILE_STATUS_KEY: &str = "status-key";
/// File with the CA bundle for the identity provider (PEM), in [`CONFIG_DIR`]; absent when none is configured.
pub const FILE_CA: &str = "ca.crt";
/// File with the id of the sidecar's client at the identity provider, in [`CONFIG_DIR`]; also the key in the user's Secret.
pub const FILE_CLIENT_ID: &str = "client-id";
/// File with the secret of that client, in [`CONFIG_DIR`]; also the key in the user's Secret.
pub const FILE_CLIENT_SECRET: &str = "client-secret";
/// File with the token of the pod's ServiceAccount by which the sidecar shows that it is that client, in [`CONFIG_DIR`].
pub const FILE_CLIENT_ASSERTION: &str = "client-assertion";
/// File with the personal access token by which the sidecar keeps the application link, in [`CONFIG_DIR`].
pub const FILE_ADMIN_TOKEN: &str = "admin-token";
/// Key in the Secret of `keycloak.provisioning` with the base URL at which the operator manages the realm.
pub const KEY_KEYCLOAK_URL: &str = "keycloak-url";
/// Key in that Secret with the id of the client as which it does.
pub const KEY_ADMIN_CLIENT_ID: &str = "admin-client-id";
/// Key in that Secret with the client's secret.
pub const KEY_ADMIN_CLIENT_SECRET: &str = "admin-client-secret";
/// Key in that Secret with the certificate authority (PEM) that signs Keycloak's certificate, where it is not a public one; the
/// same in ConfigMaps of `keycloak.caCertificateRefs`, unless they say another.
pub const KEY_CA_CERTIFICATE: &str = "ca.crt";
/// What Kubernetes takes for the name of a Secret or ConfigMap (RFC 1123). The operator asks for those of policies by name.
pub const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Attribute in Keycloak of everything that the operator made there; its value tells the policy.
pub const REALM_MARK: &str = "restward.io/managed-by";
/// Directory in the sidecar at which [`STATE_VOLUME`] is mounted.
pub const STATE_DIR: &str = "/var/lib/restward";
/// File with the report on password logins, in [`STATE_DIR`].
pub const FILE_BASIC_REPORT: &str = "basic-report.jsonl";
/// Directory in the sidecar at which the volume for audit lines is mounted.
pub const AUDIT_DIR: &str = "/var/log/restward";
/// Names of files with audit lines, of which each pod that shares a volume has its own.
pub fn audit_file(pod: &str) -> String {
    format!("restward-audit-{pod}.jsonl")
}
/// File with the Tomcat valve, a key of the policy's ConfigMap.
pub const FILE_VALVE: &str = "context.xml.default";

/// Environment variable of the sidecar with its pod's settings (`sidecar::PodSettings` as JSON).
pub const ENV_POD: &str = "RESTWARD_POD";
/// Environment variable of the sidecar with the directory of its configuration; default [`CONFIG_DIR`].
pub const ENV_CONFIG_DIR: &str = "RESTWARD_CONFIG_DIR";
/// Environment variable of the sidecar with the directory of what it remembers; default [`STATE_DIR`].
pub const ENV_STATE_DIR: &str = "RESTWARD_STATE_DIR";
/// Environment variable of the sidecar with the file for audit lines; without it they go to standard output.
pub const ENV_AUDIT_FILE: &str = "RESTWARD_AUDIT_FILE";
/// Environment variable of the sidecar with the name of its pod.
pub const ENV_POD_NAME: &str = "RESTWARD_POD_NAME";
/// Environment variable with the log filter (`tracing` directives).
pub const ENV_LOG: &str = "RESTWARD_LOG";
/// Environment variable of OpenTelemetry with the base URL of an OTLP/HTTP collector.
pub const ENV_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Environment variable of OpenTelemetry with the URL to which traces are sent.
pub const ENV_OTLP_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Environment variable of OpenTelemetry with the name of the service.
pub const ENV_OTEL_SERVICE: &str = "OTEL_SERVICE_NAME";
/// Environment variable of OpenTelemetry that switches everything off (`true`).
pub const ENV_OTEL_DISABLED: &str = "OTEL_SDK_DISABLED";
/// The variables of OpenTelemetry that the sidecar heeds and injection passes on. Not those with headers for the collector
/// (`OTEL_EXPORTER_OTLP_HEADERS`): they hold a secret, which would stand in every pod for all to read.
pub const OTEL_VARIABLES: [&str; 14] = [
    ENV_OTLP_ENDPOINT,
    ENV_OTLP_TRACES_ENDPOINT,
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    ENV_OTEL_SERVICE,
    "OTEL_RESOURCE_ATTRIBUTES",
    ENV_OTEL_DISABLED,
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
];

/// Port of the sidecar's admin server: probes, metrics, status.
pub const ADMIN_PORT: u16 = 19090;
/// Port to which Tomcat moves.
pub const UPSTREAM_PORT: u16 = 18090;
/// Port of the operator's webhook server.
pub const WEBHOOK_PORT: u16 = 10250;

/// Audience of the ServiceAccount tokens by which people log in at the operator's page.
pub const PAGE_AUDIENCE: &str = "restward";

/// Path on the admin server below which the pod's rewritten probes are answered, each under its name.
pub const PROBES_PATH: &str = "/app-health/";

/// Header of a status answer: lower-case hexadecimal HMAC-SHA256 over [`crate::sidecar::status::mac_input`].
pub const HEADER_STATUS_MAC: &str = "x-restward-mac";
/// Request header with a correlation id; made by the sidecar when the client sent none.
pub const HEADER_REQUEST_ID: &str = "x-request-id";
