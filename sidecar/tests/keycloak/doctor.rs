//! What is wrong between Keycloak, the policy and the network, each made for real, and what status says of it.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    realm::{Keycloak, is, outcome},
    support::{Reply, World, eventually, exchange, port, request},
};

/// Waits until the sidecar says this of the identity provider; gives the sentence.
async fn sentence(world: &World, reason: &str) -> String {
    eventually(reason, || async { world.status().await["identityProvider"]["reason"] == reason }).await;
    world.status().await["identityProvider"]["message"].as_str().unwrap().to_owned()
}

async fn advisories(world: &World) -> String {
    world.status().await["advisories"].to_string()
}

pub(crate) async fn a_wrong_path_in_front_of_the_realm(keycloak: &Keycloak) {
    let base = keycloak.base();
    for path in ["/auth", "/keycloak"] {
        let host = format!("{base}{path}");
        let world = keycloak.ailing_world(|config| config["issuers"][0]["host"] = json!(host)).await;
        let said = sentence(&world, "RealmNotFound").await;
        assert!(said.contains(&format!("404 at {host}/realms/atlassian")), "{said}");
        assert!(said.ends_with(&format!("this realm is there with host: '{base}'")), "{said}");
    }
    let world = keycloak.ailing_world(|config| config["issuers"][0]["realm"] = json!("atlasian")).await;
    let said = sentence(&world, "RealmNotFound").await;
    assert!(said.ends_with("Check spec.keycloak.host and realm"), "{said}");
}

pub(crate) async fn another_issuer(keycloak: &Keycloak) {
    let (base, inside) = (keycloak.base(), format!("http://localhost:{}", keycloak.port()));
    let world = keycloak.ailing_world(|config| config["issuers"][0]["host"] = json!(inside)).await;
    let said = sentence(&world, "IssuerMismatch").await;
    assert!(said.contains(&format!("calls the issuer '{base}/realms/atlassian'")), "{said}");
    assert!(said.contains(&format!("'{inside}/realms/atlassian'")), "{said}");
    // What it says to paste is right.
    assert!(
        said.contains(&format!("set spec.keycloak.host: '{base}', and spec.keycloak.backchannelURL")),
        "{said}"
    );
    let pasted = json!([{"host": base, "realm": "atlassian", "backchannelURL": inside}]);
    let world = keycloak.world(|config| config["issuers"] = pasted).await;
    assert_eq!(outcome(&world, &keycloak.token("wiki-rest", "alice").await).await, is(200, "alice"));
}

/// A NetworkPolicy refuses connections or lets them end in nothing.
pub(crate) async fn blocked_egress(keycloak: &Keycloak) {
    let refused = format!("http://127.0.0.1:{}", port::free());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let swallowed = format!("http://{}", silent.local_addr().unwrap());
    let token = keycloak.token("wiki-rest", "alice").await;
    let realm = keycloak.issuer("atlassian");
    for (address, says) in [(&refused, "cannot be reached"), (&swallowed, "did not answer within 5 s")] {
        let world = keycloak
            .ailing_world(|config| {
                config["issuers"][0]["backchannelURL"] = json!(address);
                config["issuers"][0]["acceptedIssuers"] = json!([realm]);
            })
            .await;
        let said = sentence(&world, "Unreachable").await;
        assert!(said.contains(says), "{said}");
        assert_eq!(outcome(&world, &token).await, is(503, "keys_unavailable"));
    }
    // With the keys that the operator saw, tokens go on counting.
    let keys = keycloak.jwks().await;
    let world = keycloak
        .ailing_world(|config| {
            config["issuers"][0]["backchannelURL"] = json!(refused);
            config["issuers"][0]["lastKnown"] =
                json!({"issuer": realm, "jwksUri": "http://h/certs", "jwks": keys});
        })
        .await;
    let said = sentence(&world, "Degraded").await;
    assert!(said.contains("network policy"), "{said}");
    eventually("Confluence takes users", || async { outcome(&world, &token).await == is(200, "alice") })
        .await;
}

pub(crate) async fn no_audience_mapper(keycloak: &Keycloak) {
    let world = keycloak.world(|config| config["issuers"][0]["audiences"] = json!(["confluence"])).await;
    let with_mapper = keycloak.token_of("wiki-aud").await;
    assert_eq!(outcome(&world, &with_mapper).await, is(403, "service_account_unmapped"));
    assert!(!advisories(&world).await.contains("AudienceMissing"));
    let without = keycloak.token("wiki-rest", "alice").await;
    assert_eq!(outcome(&world, &without).await, is(401, "audience_mismatch"));
    let said = advisories(&world).await;
    assert!(said.contains("AudienceMissing: ") && said.contains("Audience mapper"), "{said}");
    assert!(
        !said.contains("Lightweight") && !said.contains("alice") && !said.contains("wiki-rest"),
        "{said}"
    );
}

pub(crate) async fn lightweight_tokens(keycloak: &Keycloak) {
    let light = keycloak.token("wiki-light", "alice").await;
    for (audiences, refusal) in
        [(json!([]), is(403, "username_unusable")), (json!(["confluence"]), is(401, "audience_mismatch"))]
    {
        let world = keycloak.world(|config| config["issuers"][0]["audiences"] = audiences).await;
        assert!(!advisories(&world).await.contains("LightweightTokens"));
        assert_eq!(outcome(&world, &light).await, refusal);
        let message = world.get_as("/rest/api/content", &light).await.json()["message"].to_string();
        assert!(message.contains("It is a lightweight access token"), "{message}");
        let said = advisories(&world).await;
        assert!(said.contains("LightweightTokens: ") && !said.contains("AudienceMissing"), "{said}");
    }
}

/// The sidecar's program where the clock goes wrong; it ends when dropped.
struct Elsewhen {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Elsewhen {
    async fn start(world: &World, clock: &str) -> Self {
        let faketime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/standins/faketime");
        let library = Command::new(faketime).output().unwrap();
        assert!(library.status.success(), "{}", String::from_utf8_lossy(&library.stderr));
        let [data, admin] = [port::free(), port::free()];
        let pod = json!({"listenPort": data, "adminPort": admin, "upstreamPort": world.wiki.port()});
        let child = Command::new(env!("CARGO_BIN_EXE_restward-sidecar"))
            .env("RESTWARD_POD", pod.to_string())
            .env("RESTWARD_CONFIG_DIR", world.directory())
            .env("LD_PRELOAD", String::from_utf8(library.stdout).unwrap().trim())
            .env("FAKETIME", clock)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let [data, admin] = [data, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let this = Self { child, data, admin };
        eventually("it has the realm's keys", || async {
            tokio::net::TcpStream::connect(admin).await.is_ok()
                && this.asked("/metrics").await.text().contains("restward_sidecar_keys_usable 1")
        })
        .await;
        this
    }

    async fn asked(&self, target: &str) -> Reply {
        exchange(self.admin, &request("GET", target, &[], "")).await
    }

    async fn outcome(&self, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let reply = exchange(self.data, &request("GET", "/rest/api/content", &headers, "")).await;
        (reply.status, reply.reason())
    }

    async fn status(&self) -> Value {
        self.asked("/status?nonce=00112233445566778899aabbccddeeff").await.json()
    }

    async fn advisories(&self) -> String {
        self.status().await["advisories"].to_string()
    }

    /// By how many seconds it is ahead of this machine, as it says itself.
    async fn ahead(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.status().await["now"].as_i64().unwrap() - i64::try_from(now).unwrap()
    }
}

impl Drop for Elsewhen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keycloak sends no `Date`, so only its tokens tell what time it has.
pub(crate) async fn clocks_that_differ(keycloak: &Keycloak) {
    let world = keycloak.world(|_| {}).await;
    let behind = Elsewhen::start(&world, "-120s").await;
    assert_eq!(
        behind.outcome(&keycloak.token("wiki-rest", "alice").await).await,
        is(401, "token_not_yet_valid")
    );
    let said = behind.advisories().await;
    assert!(said.contains("ClocksDiffer: ") && said.contains("NTP"), "{said}");
    // Beyond the life of its tokens the other way round: each has expired when it comes.
    let ahead = Elsewhen::start(&world, "+400s").await;
    assert_eq!(ahead.outcome(&keycloak.token("wiki-rest", "alice").await).await, is(401, "token_expired"));
    assert!(!ahead.advisories().await.contains("ClocksDiffer"));
    // The operator sees it, whose clock is another.
    let (fast, slow) = (ahead.ahead().await, behind.ahead().await);
    assert!((390..=410).contains(&fast) && (-130..=-110).contains(&slow), "{fast} {slow}");
    assert!(!advisories(&world).await.contains("ClocksDiffer"));
}
