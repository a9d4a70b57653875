//! What is told of a policy beside its conditions (`status.advisories`): allowed or not decided here, but better known. Each is told as
//! `Name: sentence`; the sentence says what was found, and here is what it means and the next step.

macro_rules! advisories {
    ($($(#[doc = $meaning:literal])* $variant:ident => $fix:literal,)*) => {
        /// One kind of thing that is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Advisory { $($(#[doc = $meaning])* $variant,)* }

        impl Advisory {
            /// All of them, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it stands before the sentence.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// What it means, as documented here.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),*),)* }
            }

            /// The next step.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }
        }
    };
}

advisories! {
    /// Confluence serves visitors: the wiki is public.
    AnonymousAccessEnabled => "set spec.credentials.anonymous to Allow if the wiki is meant to be public; else take 'can use' from Anonymous in Confluence's global permissions",
    /// The sidecars are to keep the application link and cannot.
    ApplicationLinkNotKept => "see that the Secret of adminTokenSecretRef holds the token of a system administrator of Confluence; the sentence has what Confluence said (docs/identity.md)",
    /// Good tokens were refused as they are not meant for Confluence.
    AudienceMissing => "give the clients that are to call an Audience mapper for one of spec.tokens.audiences (docs/setup/keycloak.md); nothing for others",
    /// Every client of the realm may call.
    AudienceUnrestricted => "list audiences in spec.tokens.audiences, or clients in spec.tokens.authorizedParties; nothing, if it is meant",
    /// Password logins are refused on trial.
    BasicAuthBrownOut => "wait for its end; kubectl restward basic-report says whom it hits",
    /// Password logins are refused by date, and the policy's mode still allows them.
    BasicAuthEnded => "set spec.basicAuth.mode to Deny",
    /// Password logins end soon.
    BasicAuthEnds => "kubectl restward basic-report says who still logs in by password",
    /// What is refused to others was done by a member of the chart's `breakGlass.groups`, within the last day.
    BreakGlass => "ask whoever it was whether it was meant; the Event and the API server's audit log have it (docs/enforcement.md)",
    /// A pod is older than `spec.keycloak.clientAssertion` and has no token for it.
    ClientAssertionMissing => "restart the pods when Confluence may restart",
    /// The identity provider tells nothing of tokens that are not meant for the client which asks.
    ClientNotInAudience => "add an Audience mapper for the client of spec.keycloak to the clients whose tokens are refused",
    /// The identity provider does not accept the client that asks about tokens.
    ClientRejected => "compare client-id and client-secret of the Secret, or the subject and audience of the assertion, with the client in the identity provider (docs/tokens.md)",
    /// The Secret of the client that asks about tokens is not mounted.
    ClientSecretMissing => "make the Secret of spec.keycloak.clientSecretRef with its keys client-id and client-secret; restart pods that are older than the field",
    /// The identity provider takes the client's secret from before, and not the new one.
    ClientSecretNotTaken => "set the new secret at the client in the identity provider",
    /// Clocks differ: of a pod and the operator, or good tokens were refused as not valid yet.
    ClocksDiffer => "set the clocks of identity provider and nodes by NTP",
    /// A command in the pod calls the port on which the sidecar answers.
    ExecProbe => "make it httpGet or tcpSocket, which are moved, or let the command call what the sentence says",
    /// Users are named to Confluence by a header that it believes.
    HeaderIsALogin => "nothing while the policy stays; before it goes, take the authenticator that believes the header away (docs/identity.md)",
    /// Where Tomcat is to listen was changed since the pod was made.
    InterceptionChanged => "restart the pods when Confluence may restart",
    /// Good tokens were refused as they leave out user and audience.
    LightweightTokens => "switch 'Always use lightweight access token' off at their clients, or set spec.keycloak.clientSecretRef",
    /// Tomcat was told to listen on loopback, and listens elsewhere too.
    LoopbackBindWithoutEffect => "nothing, as the valve refuses all the same, or set spec.loopbackBind to Off (docs/enforcement.md)",
    /// The identity provider offers no endpoint at which tokens could be asked about.
    NoEndpoint => "set spec.tokens.validation to Local, or to one whose endpoint (introspection_endpoint, userinfo_endpoint) its discovery document names",
    /// The identity provider does not answer questions about tokens.
    NotAnswering => "let Confluence's pods reach the identity provider and see its load, or set spec.tokens.validation to Local, which asks it nothing about tokens",
    /// Tokens come without the scope `openid`, without which userinfo says nothing.
    OpenidMissing => "have clients ask for scope=openid, or set spec.tokens.validation to Local or Introspection",
    /// Keys or secrets go over plain HTTP.
    PlainHttp => "use https in spec.keycloak.host, backchannelURL and spec.issuers, with caCertificateRefs where the authority is a private one",
    /// A probe asks another host than the pod, so it is not moved.
    ProbeOfAnotherHost => "remove its host, if it is meant for Confluence in this pod",
    /// What `spec.keycloak.provisioning` wants is not all there in the realm.
    ProvisioningFailed => "do as the sentence says; it is tried again by itself (docs/setup/keycloak.md)",
    /// The policy was deleted and stays in force.
    Retained => "run the command of the sentence once it is to go (docs/rollout.md)",
    /// Neighbours on the pod's network reach its loopback.
    RouteLocalnet => "give kube-proxy --iptables-localhost-nodeports=false, or list the ports that may be reached in spec.allowedListeners",
    /// Tomcat's `server.xml` was changed since the pod was made.
    ServerXmlChanged => "restart the pods when Confluence may restart",
    /// Nothing has listened on Tomcat's port for minutes.
    TomcatNotListening => "see the log of Confluence's container: kubectl logs (docs/enforcement.md)",
    /// Something that does not speak HTTP listens on Tomcat's port.
    TomcatPortOpen => "see which container listens there, or which connector of server.xml",
    /// The identity provider answers questions about tokens with something else than the protocol says.
    UnexpectedAnswer => "see what stands between Confluence's pods and the endpoints of the discovery document: a proxy's page is no answer; or set spec.tokens.validation to Local",
    /// Ports of the pod are open that Restward does not know.
    UnknownListener => "list those that belong there in spec.allowedListeners",
    /// Tokens that are bound to a key cannot be shown to userinfo.
    UserInfoWithDpop => "set spec.tokens.validation to Local or Introspection",
}

impl Advisory {
    /// As it is told.
    pub fn says(self, sentence: impl std::fmt::Display) -> String {
        format!("{}: {sentence}", self.as_str())
    }

    /// Which one this is; `None` for one that this version does not know.
    pub fn of(told: &str) -> Option<Self> {
        let name = told.split(':').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|known| known.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_known_by_its_name() {
        for advisory in Advisory::ALL {
            assert_eq!(Advisory::of(&advisory.says("a: b")), Some(*advisory));
            assert!(!advisory.meaning().is_empty() && !advisory.fix().is_empty());
        }
        assert_eq!(Advisory::of("PlainHttp"), Some(Advisory::PlainHttp));
        assert_eq!(Advisory::of("PlainHttps: x"), None);
    }

    #[test]
    fn they_are_in_order() {
        assert!(Advisory::ALL.is_sorted_by_key(|advisory| advisory.as_str()));
    }
}
