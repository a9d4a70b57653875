//! The world around the sidecar, and what tests ask of it.

pub(crate) mod callers;
mod directory;
pub(crate) mod http;
pub(crate) mod idp;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod port;
pub(crate) mod wiki;

use std::{
    future::Future,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use restward_crds::sidecar::PodSettings;
use restward_sidecar::{
    app::{self, Listeners, Options, Running},
    audit::Audit,
    server::Bounds,
    trace::Traces,
    verify::{
        NetworkSource,
        network::{Listener, Network},
    },
};
use serde_json::{Value, json};

pub(crate) use self::http::{Reply, exchange, request};
use directory::Directory;
pub(crate) use idp::CLIENT_ID;
use idp::Idp;
use wiki::Wiki;

/// What the sidecar answers to somebody without a token.
pub(crate) const CHALLENGE: &str = "Bearer realm=\"wiki\", \
    resource_metadata=\"http://wiki.example.com/.well-known/oauth-protected-resource\"";
pub(crate) const CONSUMER: &str = "restward-test";
pub(crate) const STATUS_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub(crate) const CLIENT_SECRET: &str = "wiki-gate-secret";
/// Longest that anything awaited may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until `is_so`; fails when it is not in reasonable time.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "not in time: {what}");
}

/// What the sidecar writes to its standard output.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Identity provider, Confluence and the sidecar between them.
pub(crate) struct World {
    pub(crate) idp: Idp,
    pub(crate) wiki: Wiki,
    pub(crate) audit: Captured,
    pub(crate) running: Running,
    pub(crate) network: PodNetwork,
    directory: Directory,
    config: Value,
    pod: PodSettings,
}

impl World {
    /// With the smallest policy, ready and trusted.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With another policy, ready and trusted.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let world = Self::start(change, |_| {}, |_, _| {}).await;
        world.is_trusted().await;
        world
    }

    /// With other bounds and another policy, ready and trusted.
    pub(crate) async fn bounded(bounds: Bounds, change: impl FnOnce(&mut Value)) -> Self {
        let world = Self::start_with(bounds, None, change, |_| {}, |_, _| {}).await;
        world.is_trusted().await;
        world
    }

    /// With another policy, pod, identity provider or Confluence; ready, perhaps not trusted.
    pub(crate) async fn start(
        change: impl FnOnce(&mut Value),
        change_pod: impl FnOnce(&mut PodSettings),
        prepare: impl FnOnce(&Idp, &Wiki),
    ) -> Self {
        Self::start_with(Bounds::default(), None, change, change_pod, prepare).await
    }

    /// As [`Self::with`], and whatever it does is traced.
    pub(crate) async fn traced(change: impl FnOnce(&mut Value)) -> (Self, InMemorySpanExporter) {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let traces = Some(Traces::new(provider));
        let world = Self::start_with(Bounds::default(), traces, change, |_| {}, |_, _| {}).await;
        world.is_trusted().await;
        (world, spans)
    }

    async fn start_with(
        bounds: Bounds,
        traces: Option<Traces>,
        change: impl FnOnce(&mut Value),
        change_pod: impl FnOnce(&mut PodSettings),
        prepare: impl FnOnce(&Idp, &Wiki),
    ) -> Self {
        logs::capture();
        let (idp, wiki) = (Idp::start().await, Wiki::start().await);
        prepare(&idp, &wiki);
        let mut config = json!({
            "version": 1,
            "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u-1", "generation": 1},
            "mode": "Enforce",
            "issuers": [{"host": idp.base(), "realm": "wiki"}],
            "usernameAttribute": "preferred_username",
            "serviceAccounts": [{"client": "reports", "username": "svc-reports"}],
            "basicAuth": "Allow",
            "credentials": {},
            "upstream": {"identity": {"oauth1": {"consumerKey": CONSUMER}}}
        });
        change(&mut config);
        let directory = Directory::new();
        directory.write(&config.to_string());
        let mut pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
        pod.upstream_port = wiki.port();
        change_pod(&mut pod);
        let audit = Captured::default();
        let network = PodNetwork::default();
        let running = run(&pod, &directory, &network, &audit, (bounds, traces)).await;
        let world = Self { idp, wiki, audit, running, network, directory, config, pod };
        world.is_ready().await;
        world
    }

    /// The sidecar's container is stopped and started again.
    pub(crate) async fn restarted(self) -> Self {
        assert!(self.running.drain(PATIENCE).await);
        let plain = (Bounds::default(), None);
        let running = run(&self.pod, &self.directory, &self.network, &self.audit, plain).await;
        let world = Self { running, ..self };
        world.is_ready().await;
        world
    }

    async fn is_ready(&self) {
        eventually("the sidecar is ready", || async { self.admin("/readyz").await.status == 200 }).await;
    }

    /// Directory of what the sidecar remembers.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.state()
    }

    /// Waits until tokens can be checked and Confluence accepts assertions.
    pub(crate) async fn is_trusted(&self) {
        self.has_metric("restward_sidecar_keys_usable 1").await;
        self.has_metric("restward_sidecar_upstream_trusted 1").await;
    }

    pub(crate) async fn has_metric(&self, line: &str) {
        eventually(line, || async { self.metrics().await.lines().any(|is| is == line) }).await;
    }

    /// Changes the policy and waits until it is in force.
    pub(crate) async fn reconfigure(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        let generation = self.config["policy"]["generation"].as_i64().unwrap() + 1;
        self.config["policy"]["generation"] = generation.into();
        self.directory.write(&self.config.to_string());
        let in_force = || async { self.status().await["policy"]["generation"] == generation };
        eventually("the new configuration is in force", in_force).await;
    }

    /// Changes or removes the mounted secret of the sidecar's client, and writes the configuration anew.
    pub(crate) async fn mount_client_secret(&mut self, secret: Option<&str>) {
        *self.directory.client_secret.lock().unwrap() = secret.map(str::to_owned);
        self.reconfigure(|_| {}).await;
    }

    /// Changes the mounted certificate authorities for the identity provider, which the policy wants.
    pub(crate) async fn mount_authority(&mut self, pem: String) {
        *self.directory.authority.lock().unwrap() = Some(pem);
        self.reconfigure(|config| config["issuers"][0]["ownCa"] = json!(true)).await;
    }

    /// Mounts a token by which the sidecar shows that it is a client, and writes the configuration anew.
    pub(crate) async fn mount_client_assertion(&mut self, token: &str) {
        *self.directory.client_assertion.lock().unwrap() = Some(token.to_owned());
        self.reconfigure(|_| {}).await;
    }

    /// Mounts these keys of the consumer, and waits until the sidecar has them.
    pub(crate) async fn mount_consumer_keys(
        &self,
        key: &'static keys::Key,
        next: Option<&'static keys::Key>,
    ) {
        *self.directory.consumer.lock().unwrap() = (key, next);
        self.directory.write(&self.config.to_string());
        let held: Vec<String> = next.into_iter().chain([key]).map(keys::fingerprint).collect();
        let has_them = || async { self.status().await["consumerKeys"]["held"] == json!(held) };
        eventually("the keys are held", has_them).await;
    }

    /// Mounts another status key.
    pub(crate) fn mount_status_key(&self, key: &str) {
        key.clone_into(&mut self.directory.status_key.lock().unwrap());
        self.directory.write(&self.config.to_string());
    }

    /// Where the configuration is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory.path
    }

    /// Writes another configuration file, whatever is in it.
    pub(crate) fn write_config(&self, text: &str) {
        self.directory.write(text);
    }

    /// Sends a request to the data port.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        exchange(self.running.data, &request(method, target, headers, body)).await
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("GET", target, headers, "").await
    }

    /// GET with a bearer token.
    pub(crate) async fn get_as(&self, target: &str, token: &str) -> Reply {
        self.get(target, &[("Authorization", &format!("Bearer {token}"))]).await
    }

    pub(crate) async fn admin(&self, target: &str) -> Reply {
        exchange(self.running.admin, &request("GET", target, &[], "")).await
    }

    pub(crate) async fn metrics(&self) -> String {
        self.admin("/metrics").await.text()
    }

    pub(crate) async fn status(&self) -> Value {
        self.admin("/status?nonce=00112233445566778899aabbccddeeff").await.json()
    }

    /// The last audit line.
    pub(crate) fn last_audit(&self) -> Value {
        serde_json::from_str(self.audit.text().lines().last().unwrap()).unwrap()
    }
}

async fn run(
    pod: &PodSettings,
    directory: &Directory,
    network: &PodNetwork,
    audit: &Captured,
    (bounds, traces): (Bounds, Option<Traces>),
) -> Running {
    let options = Options {
        pod: pod.clone(),
        config_dir: directory.path.clone(),
        state_dir: directory.state(),
        network: network.source(),
        audit: Audit::to(audit.clone()),
        bounds,
        traces,
    };
    app::start(options, Listeners::on_loopback().await.unwrap()).unwrap()
}

/// What the kernel shows of the pod's network. Its own address is one of loopback, as tests have no other for sure.
#[derive(Clone)]
pub(crate) struct PodNetwork(Arc<Mutex<Option<Network>>>);

impl Default for PodNetwork {
    fn default() -> Self {
        let addresses = [OWN_ADDRESS.into()].into();
        Self(Arc::new(Mutex::new(Some(Network { addresses, ..Network::default() }))))
    }
}

/// The pod's own address.
pub(crate) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl PodNetwork {
    pub(crate) fn source(&self) -> NetworkSource {
        let shown = Arc::clone(&self.0);
        Arc::new(move || shown.lock().unwrap().clone().ok_or_else(|| io::Error::other("not shown")))
    }

    /// Shows these listeners.
    pub(crate) fn shows(&self, listeners: &[SocketAddr]) {
        let listener = |(inode, address): (u64, &SocketAddr)| Listener { address: *address, inode };
        self.change(|network| network.listeners = (1..).zip(listeners).map(listener).collect());
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Network)) {
        change(self.0.lock().unwrap().as_mut().unwrap());
    }

    /// Cannot be read any more.
    pub(crate) fn hide(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// Can be read again, and has no listeners.
    pub(crate) fn shows_again(&self) {
        *self.0.lock().unwrap() = Self::default().0.lock().unwrap().take();
    }
}
