//! A Confluence stand-in of this test's own: real Tomcat, real net.oauth.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Method, header};
use openssl::{
    pkey::{PKey, Private},
    rsa::Rsa,
};
use restward_crds::{
    names,
    sidecar::{Config, PodSettings, Settings, identity::IdentitySettings, pod::TomcatAddress},
};
use restward_sidecar::{
    app::{self, Listeners, Options, Running},
    audit::Audit,
    calibrate::Calibration,
    identity::{Identity, Origin, Outgoing},
    loopback::{Answer, Client},
    preflight::UserCheck,
    random,
    server::Bounds,
    time::UnixTime,
    verify::network::Network,
};
use serde_json::{Value, json};

pub(crate) const CONTEXT: &str = "/confluence";
/// The administrator's personal access token.
pub(crate) const ADMIN_TOKEN: &str = "MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGF0";
pub(crate) const CONSUMER: &str = "restward";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The valve, as the operator mounts it.
const VALVE: &str = r#"<Context><Valve className="org.apache.catalina.valves.RemoteAddrValve" usePeerAddress="true"
    allow="127\.0\.0\.1|::1|0:0:0:0:0:0:0:1"/></Context>"#;
const VALVE_VARIABLE: &str = "STANDIN_CONTEXT_XML_DEFAULT";
/// What injection makes of the variable, with another port and socket.
pub(crate) const ON_LOOPBACK: &str = r#"@PORT@" address="127.0.0.1"#;
const ON_SOCKET: &str = r#"@PORT@" address="127.0.0.1" unixDomainSocketPath="@SOCKET@" unixDomainSocketPathPermissions="rw-rw----"#;
/// Takes the valve away.
pub(crate) const WITHOUT_VALVE: (&str, &str) = (VALVE_VARIABLE, "");

/// The running stand-in; it ends when dropped.
pub(crate) struct Wiki {
    home: PathBuf,
    /// A port that leads to Tomcat: its own, or a relay's where it has none.
    pub(crate) port: u16,
    socket: Option<PathBuf>,
    pub(crate) client: Client,
    /// The key whose public half the application link gets.
    pub(crate) key_pem: Vec<u8>,
    start: Start,
}

/// How it was started.
struct Start(Command);

impl Start {
    fn again(&mut self) {
        let status = self.0.status().unwrap();
        assert!(status.success(), "the stand-in did not start: {:?}", self.0);
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/standins/confluence/run")
}

impl Wiki {
    /// Starts one with these `ATL_*` and `STANDIN_*` variables, behind the valve unless told otherwise. With
    /// `RESTWARD_STANDIN_SOCKET` on a Unix socket, so that the same tests say the same of that.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        match env::var_os("RESTWARD_STANDIN_SOCKET") {
            Some(_) => Self::start_on_socket(variables),
            None => Self::start_on_port(variables),
        }
    }

    /// On a free port.
    pub(crate) fn start_on_port(variables: &[(&str, &str)]) -> Self {
        Self::start_on(variables, false)
    }

    /// On a Unix socket only, as injection makes the image listen.
    pub(crate) fn start_on_socket(variables: &[(&str, &str)]) -> Self {
        Self::start_on(&[variables, &[("ATL_TOMCAT_PORT", ON_SOCKET)]].concat(), true)
    }

    /// In values of variables `@PORT@` is a free port and `@SOCKET@` the socket.
    fn start_on(variables: &[(&str, &str)], has_socket: bool) -> Self {
        let port = crate::port::free();
        let home = std::env::temp_dir().join(format!("restward-standin-{}", random::hex_128().unwrap()));
        fs::create_dir(&home).unwrap();
        let valve = home.join("valve.xml");
        fs::write(&valve, VALVE).unwrap();
        let socket = has_socket.then(|| home.join("tomcat.sock"));
        let mut command = Command::new(script());
        command.args(["--port", &port.to_string(), "--home"]).arg(&home).arg("--background");
        command.env(VALVE_VARIABLE, &valve);
        if let Some(path) = &socket {
            command.arg("--socket").arg(path);
        }
        let path = socket.as_deref().and_then(Path::to_str).unwrap_or_default();
        for (name, value) in variables {
            command.env(name, value.replace("@PORT@", &port.to_string()).replace("@SOCKET@", path));
        }
        let mut start = Start(command);
        start.again();
        let (address, port) = match &socket {
            Some(path) => (TomcatAddress::Socket(path.clone()), crate::relay::to(path)),
            None => (port.into(), port),
        };
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        Self {
            home,
            port,
            socket,
            start,
            client: Client::new(address),
            key_pem: key.private_key_to_pem_pkcs8().unwrap(),
        }
    }

    /// Sends as it is.
    pub(crate) async fn send(&self, request: Outgoing) -> Answer {
        self.client.send(request, PATIENCE).await.unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str, query: Option<&str>) -> Outgoing {
        let host = HeaderValue::try_from(format!("127.0.0.1:{}", self.port)).unwrap();
        let mut request = Outgoing::get(format!("{CONTEXT}{path}"), host);
        request.method = method;
        request.query = query.map(ToOwned::to_owned);
        request
    }

    async fn admin(&self, method: Method, path: &str, body: Value) -> Answer {
        let mut request = self.request(method, path, None);
        let token = HeaderValue::try_from(format!("Bearer {ADMIN_TOKEN}")).unwrap();
        request.headers.insert(header::AUTHORIZATION, token);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.form = Some(body.to_string().into_bytes());
        let answer = self.send(request).await;
        assert!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer.body);
        answer
    }

    /// The first two of the three calls that make the application link. Gives its id.
    pub(crate) async fn make_link(&self) -> String {
        self.make_link_of(CONSUMER).await
    }

    /// The same for another consumer that has the same key.
    pub(crate) async fn make_link_of(&self, consumer_key: &str) -> String {
        let url = "https://restward.invalid";
        let link =
            json!({"id": null, "name": "restward", "rpcUrl": url, "displayUrl": url, "typeId": "generic"});
        let answer = self.admin(Method::PUT, "/rest/applinks/3.0/applicationlink", link).await;
        let made: Value = serde_json::from_slice(&answer.body).unwrap();
        let href = made["resources-created"][0]["href"].as_str().unwrap();
        let id = href.rsplit('/').next().unwrap().to_owned();
        self.put_key(&id, consumer_key, &PKey::private_key_from_pem(&self.key_pem).unwrap()).await;
        id
    }

    /// The second call: also the one that replaces the key.
    pub(crate) async fn put_key(&self, id: &str, consumer_key: &str, key: &PKey<Private>) {
        let consumer = json!({
            "key": consumer_key, "name": consumer_key, "description": null, "sharedSecret": null,
            "publicKey": String::from_utf8(key.public_key_to_pem().unwrap()).unwrap(),
            "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null, "twoLOImpersonationAllowed": true,
        });
        let path = format!("/rest/applinks-oauth/1.0/applicationlink/{id}/authentication/consumer");
        self.admin(Method::PUT, &path, consumer).await;
    }

    /// The ids of the links that lead nowhere.
    pub(crate) async fn links(&self) -> Vec<String> {
        let answer = self.admin(Method::GET, "/rest/applinks/latest/listApplicationlinks", Value::Null).await;
        let listed: Value = serde_json::from_slice(&answer.body).unwrap();
        let links = listed["list"].as_array().unwrap().iter().map(|entry| &entry["application"]);
        let own = links.filter(|link| link["rpcUrl"].as_str().unwrap().ends_with("restward.invalid"));
        own.map(|link| link["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn delete_link(&self, id: &str) {
        self.admin(Method::DELETE, &format!("/rest/applinks/3.0/applicationlink/{id}"), Value::Null).await;
    }

    /// The third call.
    pub(crate) async fn allow_impersonation(&self, id: &str) {
        self.let_impersonate(id, true).await;
    }

    pub(crate) async fn forbid_impersonation(&self, id: &str) {
        self.let_impersonate(id, false).await;
    }

    async fn let_impersonate(&self, id: &str, may: bool) {
        let status = json!({
            "incoming": {"enabled": true, "twoLoEnabled": true, "twoLoImpersonationEnabled": may},
            "outgoing": {"enabled": false, "twoLoEnabled": false, "twoLoImpersonationEnabled": false},
        });
        self.admin(Method::PUT, &format!("/rest/applinks/3.0/status/{id}/oauth"), status).await;
    }

    /// A sidecar's view of this wiki, with a key of its own unless told otherwise.
    pub(crate) fn sidecar(&self, key_pem: &[u8], pod: &Value) -> Sidecar {
        let identity = IdentitySettings::OAuth1 { consumer_key: CONSUMER.into() };
        let identity = Arc::new(Identity::new(&identity, key_pem, None).unwrap());
        let mut variable = self.pod();
        for (name, value) in pod.as_object().unwrap() {
            variable[name] = value.clone();
        }
        let pod = PodSettings::from_json(&variable.to_string()).unwrap();
        let calibration = Calibration::new(Arc::clone(&identity), self.client.clone(), &settings(), &pod);
        let users = UserCheck::new(Arc::clone(&identity), self.client.clone(), calibration.clone(), CONTEXT);
        Sidecar { identity, calibration, users }
    }
}

impl Wiki {
    /// What a sidecar is told of its pod.
    fn pod(&self) -> Value {
        let mut pod = json!({"listenPort": 1, "upstreamPort": self.port, "contextPath": CONTEXT});
        if let Some(path) = &self.socket {
            // The relay is none of the pod's.
            pod["upstreamPort"] = json!(crate::port::free());
            pod["upstreamSocket"] = json!(path);
        }
        pod
    }

    /// Tomcat's Unix socket.
    pub(crate) fn socket(&self) -> &Path {
        self.socket.as_deref().unwrap()
    }

    /// Where Tomcat writes its logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.home.join("tomcat/logs")
    }

    /// Tomcat's process.
    pub(crate) fn pid(&self) -> String {
        fs::read_to_string(self.home.join("pid")).unwrap().trim().to_owned()
    }

    /// Ends Tomcat as the kernel does when memory is short.
    pub(crate) fn kill(&self) {
        assert!(Command::new("kill").args(["-KILL", &self.pid()]).status().unwrap().success());
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.start.again();
    }

    /// A whole sidecar in front of this wiki, as soon as it serves.
    pub(crate) async fn whole_sidecar(&self) -> Running {
        let running = self.start_sidecar().await;
        self.until_readiness(&running, 200).await;
        running
    }

    /// A whole sidecar in front of this wiki. It sees this machine's addresses, but no listeners: other tests have some.
    pub(crate) async fn start_sidecar(&self) -> Running {
        self.start_sidecar_with(&config(), Audit::to(std::io::sink())).await
    }

    /// The same with another configuration and place for audit lines.
    pub(crate) async fn start_sidecar_with(&self, config: &Value, audit: Audit) -> Running {
        self.start_sidecar_in(self.directory(), config, audit).await
    }

    /// An empty directory for what a sidecar mounts.
    pub(crate) fn directory(&self) -> PathBuf {
        let directory = self.home.join(format!("sidecar-{}", random::hex_128().unwrap()));
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// The same with the files of this directory, to which it adds.
    pub(crate) async fn start_sidecar_in(&self, directory: PathBuf, config: &Value, audit: Audit) -> Running {
        // As `main` does, once.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        fs::write(directory.join(names::FILE_CONFIG), config.to_string()).unwrap();
        fs::write(directory.join(names::FILE_CONSUMER_KEY), &self.key_pem).unwrap();
        fs::write(directory.join(names::FILE_STATUS_KEY), "0".repeat(64)).unwrap();
        let pod = PodSettings::from_json(&self.pod().to_string()).unwrap();
        let network = Arc::new(|| Ok(Network { listeners: [].into(), ..machine()? }));
        let (state_dir, bounds) = (directory.join("state"), Bounds::default());
        let options = Options { pod, config_dir: directory, state_dir, network, audit, bounds, traces: None };
        app::start(options, Listeners::on_loopback().await.unwrap()).unwrap()
    }

    /// What the sidecar says when its readiness is this.
    pub(crate) async fn until_readiness(&self, running: &Running, status: u16) -> String {
        let ready = async {
            loop {
                let answer =
                    self.through(running.admin, self.request(Method::GET, "", None), "/readyz").await;
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                if answer.status == status
                    && !said.contains("not verified yet")
                    && !said.contains("not started")
                {
                    return said;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap()
    }

    /// Sends a request, with another path, to a port of a sidecar.
    pub(crate) async fn through(&self, to: SocketAddr, mut request: Outgoing, path: &str) -> Answer {
        path.clone_into(&mut request.path);
        Client::new(to.port()).send(request, PATIENCE).await.unwrap()
    }
}

impl Drop for Wiki {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("--home").arg(&self.home).arg("--stop").status();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// This machine's network.
pub(crate) fn machine() -> io::Result<Network> {
    Network::read(Path::new("/proc"))
}

fn settings() -> Settings {
    serde_json::from_value::<Config>(config()).unwrap().parse().unwrap()
}

/// The smallest configuration.
pub(crate) fn config() -> Value {
    json!({
        "version": 1, "mode": "Enforce", "usernameAttribute": "preferred_username", "basicAuth": "Allow",
        "policy": {"namespace": "n", "name": "wiki", "uid": "u", "generation": 1},
        "issuers": [{"host": "https://sso.example.com", "realm": "wiki"}], "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": CONSUMER}}},
    })
}

/// What a sidecar would use.
pub(crate) struct Sidecar {
    pub(crate) identity: Arc<Identity>,
    pub(crate) calibration: Calibration,
    pub(crate) users: UserCheck,
}

impl Sidecar {
    pub(crate) async fn trusted(&self) -> Origin {
        self.calibration.calibrate().await;
        match self.calibration.origin() {
            Ok(origin) => origin,
            Err(deny) => panic!("{deny:?}: {:?}", self.calibration.report()),
        }
    }

    pub(crate) fn assert(&self, origin: &Origin, user: &str, mut request: Outgoing) -> Outgoing {
        self.identity.assert(origin, &user.parse().unwrap(), UnixTime::now(), &mut request).unwrap();
        request
    }
}
