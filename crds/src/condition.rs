//! The conditions of a policy and the reasons of each. Positive polarity: `True` is what one wants to see.

use serde::{Deserialize, Serialize};

/// Type of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The policy is understood and free of contradictions.
    Accepted,
    /// Everything that the policy needs in the cluster is in place: keys, configuration, webhook, backstop.
    Programmed,
    /// Every selected pod has the sidecar.
    Injected,
    /// Every sidecar runs the configuration of this generation.
    ConfigCurrent,
    /// Nobody reaches Confluence around the sidecar, as each sidecar has verified for its pod.
    Enforced,
    /// The identity provider answers and its keys are known.
    IdentityProviderReachable,
    /// Confluence accepts the users that the sidecar names.
    UpstreamTrusted,
    /// All of the above, with at least one pod.
    Ready,
}

impl ConditionType {
    /// All condition types, in the order of status.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Programmed,
        Self::Injected,
        Self::ConfigCurrent,
        Self::Enforced,
        Self::IdentityProviderReachable,
        Self::UpstreamTrusted,
        Self::Ready,
    ];

    /// What is so when it is True.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Accepted => "The policy is understood and free of contradictions.",
            Self::Programmed => {
                "Everything that the policy needs in the cluster is in place: keys, configuration, webhook, backstop."
            }
            Self::Injected => "Every selected pod has the sidecar.",
            Self::ConfigCurrent => "Every sidecar runs the configuration of this generation.",
            Self::Enforced => {
                "Nobody reaches Confluence around the sidecar, as each sidecar has verified for its pod."
            }
            Self::IdentityProviderReachable => "The identity provider answers and its keys are known.",
            Self::UpstreamTrusted => "Confluence accepts the users that the sidecar names.",
            Self::Ready => "All of the above, with at least one pod.",
        }
    }

    /// As it stands in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Programmed => "Programmed",
            Self::Injected => "Injected",
            Self::ConfigCurrent => "ConfigCurrent",
            Self::Enforced => "Enforced",
            Self::IdentityProviderReachable => "IdentityProviderReachable",
            Self::UpstreamTrusted => "UpstreamTrusted",
            Self::Ready => "Ready",
        }
    }
}

macro_rules! condition_reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $meaning:literal])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $meaning])* $variant,)* }

        impl $name {
            /// Every reason of this condition.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it stands in `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// What it means, as documented here.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),*),)* }
            }
        }
    };
}

condition_reasons! {
    /// Reasons of `Accepted`.
    AcceptedReason {
        /// The policy is valid.
        Accepted,
        /// A field is wrong; the message names it.
        Invalid,
        /// An older policy selects the same pods; the message names what this one lost.
        Conflicted,
        /// The selector also matches pods that are not Confluence, such as Synchrony.
        SelectorTooWide,
        /// A referenced ConfigMap does not exist or lacks the key.
        ReferenceNotFound,
        /// The chart's `admission.namespaceSelector` does not match the policy's namespace.
        NamespaceNotSelected,
    }
}

condition_reasons! {
    /// Reasons of `Programmed`.
    ProgrammedReason {
        /// Keys, configuration, webhook and backstop are in place.
        Programmed,
        /// The policy was never accepted, so nothing was made.
        NotAccepted,
        /// A write to the API server failed; it is tried again.
        ApplyFailed,
        /// The key Secret lacks this policy's key although pods use it; it is not silently replaced.
        KeyMissing,
    }
}

condition_reasons! {
    /// Reasons of `Injected`.
    InjectedReason {
        /// Every selected pod has the sidecar.
        Injected,
        /// Some pods were made before the policy and need a restart; the message has the command.
        RestartRequired,
        /// The selector matches no pod.
        NoPods,
        /// A selected pod template cannot be injected; the message says what to change.
        InjectionRefused,
        /// A pod of Confluence was made without the sidecar while the policy was in force; the message names it.
        BreakGlass,
        /// Every selected pod has the sidecar, but some run what an earlier policy or operator injected; the message names
        /// them and has the command.
        Outdated,
        /// The operator has pods made anew (`rollout.strategy: Automatic`); the message says what it waits for.
        RolloutInProgress,
        /// The operator would have pods made anew, and something keeps it from doing so; the message says what.
        RolloutBlocked,
        /// Every selected pod has the sidecar, and the operator replaces its image in one pod after the other
        /// (`sidecar.updateStrategy: InPlace`); the message says what it waits for.
        UpgradeInProgress,
        /// A pod does not come up with the image that sidecars are to run, so no other pod gets it; the message names it and says
        /// what to do.
        UpgradeStopped,
    }
}

condition_reasons! {
    /// Reasons of `ConfigCurrent`.
    ConfigReason {
        /// Every sidecar has said that it runs this configuration.
        Current,
        /// No sidecar runs yet, or the policy is not programmed.
        Pending,
        /// Some sidecars still run an older configuration; the message names their pods.
        Stale,
        /// Some sidecars refuse the configuration and keep the last good one; the message has the cause.
        Rejected,
        /// Some sidecars do not say what they run; the message names their pods.
        Unreachable,
    }
}

condition_reasons! {
    /// Reasons of `Enforced`.
    EnforcedReason {
        /// Every sidecar has looked for a way around itself and found none.
        Verified,
        /// No sidecar runs yet, or some have not looked yet.
        Pending,
        /// Confluence answers on another way than through the sidecar; the message names pods and ports.
        BypassDetected,
        /// Some selected pods have no sidecar; condition `Injected` has more.
        NotInjected,
        /// Some sidecars cannot look; the message has the cause.
        Unverifiable,
        /// Some sidecars do not say what they found; the message names their pods.
        Unreachable,
    }
}

condition_reasons! {
    /// Reasons of `IdentityProviderReachable`.
    ProviderReason {
        /// Discovery and keys were fetched.
        Reachable,
        /// Nothing was tried yet.
        Pending,
        /// The last fetch failed, but keys fetched earlier still serve.
        Degraded,
        /// No connection: name, route or port.
        Unreachable,
        /// The certificate is not trusted; the policy may need `caCertificateRefs`.
        TlsUntrusted,
        /// The realm does not exist at this host.
        RealmNotFound,
        /// Discovery names another issuer than the realm's URL; the message has both.
        IssuerMismatch,
        /// The answer is not what OpenID Connect Discovery or a JWK Set looks like.
        UnexpectedAnswer,
        /// The key set has no key that can verify tokens.
        NoUsableKeys,
        /// Every token has to be asked about, but the client that asks is not accepted, or its Secret is not mounted.
        ClientNotAccepted,
    }
}

condition_reasons! {
    /// Reasons of `UpstreamTrusted`.
    UpstreamReason {
        /// Confluence accepts signed calls, or believes the header.
        Trusted,
        /// Confluence has not answered yet, or no sidecar has reported.
        Pending,
        /// The application link does not exist; the message has the calls that make it.
        LinkMissing,
        /// The link exists but does not let its consumer name users (two-legged OAuth with impersonation).
        ImpersonationOff,
        /// The signature is not accepted: another key, or Confluence knows itself by another URL.
        SignatureInvalid,
        /// The clocks of sidecar and Confluence differ too much.
        ClockSkew,
        /// Confluence does not look at OAuth at all.
        OAuthNotEvaluated,
        /// Whether Confluence believes the header shows with the first call by token of a user whom it knows.
        Unproven,
        /// Confluence answers every call with the header as anonymous.
        HeaderNotBelieved,
        /// Confluence answers something that was not expected; the message has the status.
        UnexpectedAnswer,
    }
}

condition_reasons! {
    /// Reasons of `Ready`.
    ReadyReason {
        /// Everything holds.
        Ready,
        /// Everything holds, but the identity provider cannot be reached; known keys serve.
        Degraded,
        /// The first condition that does not hold is named in the message.
        NotReady,
        /// The selector matches no pod.
        NoPods,
    }
}

impl ProviderReason {
    /// Whether tokens can be checked.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Reachable | Self::Degraded)
    }
}
