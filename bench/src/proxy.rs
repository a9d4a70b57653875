//! The proxies: how each is configured for the same check, and started.

use std::{fmt, fs, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use restward_crds::names;
use serde_json::{Value, json};
use tokio::{net::TcpStream, process::Command, time::Instant};

use crate::{Args, issuer::Issuer, load::Case, process, upstream::USER_HEADER};

/// The port on which a proxy is asked.
const PORT: u16 = 8090;
/// Longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Proxy {
    /// Restward, users named by a header.
    Sidecar,
    /// nginx that only forwards.
    Nginx,
    /// HAProxy with `jwt_verify`.
    Haproxy,
    /// Envoy with `jwt_authn` and its cache of tokens.
    Envoy,
    /// oauth2-proxy that takes bearer tokens.
    #[value(name = "oauth2-proxy")]
    OauthTwo,
    /// Apache with mod_auth_openidc as a resource server.
    Apache,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "Restward",
            Self::Nginx => "nginx without a check",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::OauthTwo => "oauth2-proxy",
            Self::Apache => "Apache mod_auth_openidc",
        })
    }
}

/// A proxy that runs.
pub(crate) struct Running {
    proxy: Proxy,
    child: tokio::process::Child,
    pid: u32,
}

impl Proxy {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Sidecar, Self::Nginx, Self::Haproxy, Self::Envoy, Self::OauthTwo, Self::Apache];

    /// Whether a case says something about this proxy.
    pub(crate) const fn takes(self, case: Case) -> bool {
        // What checks nothing refuses nothing.
        !matches!(self, Self::Nginx) || case.is_valid()
    }

    /// Starts it on the core of the proxies, and waits until it lets a good token through.
    pub(crate) async fn start(
        self,
        args: &Args,
        issuer: &Issuer,
        upstream: SocketAddr,
    ) -> anyhow::Result<Running> {
        let directory = args.directory.join(format!("{self:?}").to_lowercase());
        fs::create_dir_all(&directory)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(args.core.to_string());
        match self {
            Self::Sidecar => sidecar(&mut command, &args.sidecar, &directory, issuer, upstream)?,
            Self::Nginx => nginx(&mut command, &directory, upstream)?,
            Self::Haproxy => haproxy(&mut command, &directory, issuer, upstream)?,
            Self::Envoy => envoy(&mut command, &args.envoy, &directory, issuer, upstream)?,
            Self::OauthTwo => oauth2_proxy(&mut command, &args.oauth2_proxy, issuer, upstream),
            Self::Apache => apache(&mut command, &directory, issuer, upstream)?,
        }
        let log = fs::File::create(directory.join("log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot be started")?;
        let pid = child.id().context("has ended")?;
        let running = Running { proxy: self, child, pid };
        running.is_ready(issuer).await.with_context(|| {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            let end = log.lines().rev().take(8).collect::<Vec<_>>().join("\n");
            format!("is not ready; the end of its log, last line first:\n{end}")
        })?;
        Ok(running)
    }
}

impl Running {
    /// Where it is asked.
    #[expect(clippy::unused_self, reason = "all proxies are asked at the same port, one after the other")]
    pub(crate) const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), PORT)
    }

    /// Whether it lets everything through.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.proxy, Proxy::Nginx)
    }

    /// What it has used so far.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time(self.pid)
    }

    /// What it holds, in KiB.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        process::memory(self.pid)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let status = Command::new("kill").arg("-TERM").arg(self.pid.to_string()).status().await?;
        anyhow::ensure!(status.success(), "cannot be ended");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        if ended.is_err() {
            self.child.kill().await?;
        }
        // The next one takes the port.
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", PORT)).await.is_ok() {
            anyhow::ensure!(begin.elapsed() < PATIENCE, "the port is still taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn is_ready(&self, issuer: &Issuer) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            match crate::load::probe(self.address(), &issuer.token(0)?).await {
                Ok(()) => return Ok(()),
                Err(error) if begin.elapsed() > PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

fn sidecar(
    command: &mut Command,
    program: &Path,
    directory: &Path,
    issuer: &Issuer,
    upstream: SocketAddr,
) -> anyhow::Result<()> {
    let config = json!({
        "version": 1,
        "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": issuer.base(), "realm": "wiki"}],
        "usernameAttribute": "preferred_username",
        "basicAuth": "Deny",
        "credentials": {},
        "upstream": {"identity": {"header": {"name": USER_HEADER}}}
    });
    fs::write(directory.join(names::FILE_CONFIG), config.to_string())?;
    let key = openssl::rsa::Rsa::generate(2048)?;
    fs::write(
        directory.join(names::FILE_CONSUMER_KEY),
        openssl::pkey::PKey::from_rsa(key)?.private_key_to_pem_pkcs8()?,
    )?;
    fs::write(directory.join(names::FILE_STATUS_KEY), "00".repeat(32))?;
    let pod = json!({"listenPort": PORT, "upstreamPort": upstream.port()});
    command.arg(program).env(names::ENV_POD, pod.to_string()).env(names::ENV_CONFIG_DIR, directory);
    Ok(())
}

fn nginx(command: &mut Command, directory: &Path, upstream: SocketAddr) -> anyhow::Result<()> {
    let config = format!(
        "daemon off;\nworker_processes 1;\npid {dir}/pid;\nerror_log stderr;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {dir}/body;\n  proxy_temp_path {dir}/proxy;\n  \
         fastcgi_temp_path {dir}/fastcgi;\n  uwsgi_temp_path {dir}/uwsgi;\n  scgi_temp_path {dir}/scgi;\n  \
         client_max_body_size 0;\n  keepalive_requests 1000000;\n  \
         upstream wiki {{ server {upstream}; keepalive 32; keepalive_requests 1000000; }}\n  \
         server {{\n    listen 127.0.0.1:{PORT};\n    location / {{\n      proxy_pass http://wiki;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n      \
         proxy_set_header {USER_HEADER} alice;\n      proxy_request_buffering off;\n      proxy_buffering off;\n    }}\n  }}\n}}\n",
        dir = directory.display()
    );
    fs::write(directory.join("nginx.conf"), config)?;
    command.arg("nginx").arg("-c").arg(directory.join("nginx.conf"));
    Ok(())
}

fn haproxy(
    command: &mut Command,
    directory: &Path,
    issuer: &Issuer,
    upstream: SocketAddr,
) -> anyhow::Result<()> {
    let key = directory.join("key.pem");
    fs::write(&key, issuer.public_pem()?)?;
    let config = format!(
        "global\n  nbthread 1\n  tune.bufsize 32768\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  http-reuse always\nfrontend wiki\n  bind 127.0.0.1:{PORT}\n  \
         http-request del-header {USER_HEADER}\n  \
         http-request set-var(txn.bearer) http_auth_bearer\n  \
         http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')\n  \
         http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')\n  \
         http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')\n  \
         http-request set-var(txn.now) date()\n  \
         http-request deny deny_status 401 unless {{ var(txn.bearer) -m found }}\n  \
         http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}\n  \
         http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer} }}\n  \
         http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}\n  \
         http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") 1 }}\n  \
         http-request set-header {USER_HEADER} %[var(txn.bearer),jwt_payload_query('$.preferred_username')]\n  \
         http-request del-header Authorization\n  \
         default_backend confluence\nbackend confluence\n  server one {upstream}\n",
        issuer = issuer.name(),
        key = key.display()
    );
    fs::write(directory.join("haproxy.cfg"), config)?;
    command.arg("haproxy").arg("-db").arg("-f").arg(directory.join("haproxy.cfg"));
    Ok(())
}

fn envoy(
    command: &mut Command,
    program: &Path,
    directory: &Path,
    issuer: &Issuer,
    upstream: SocketAddr,
) -> anyhow::Result<()> {
    let typed = |name: &str, value: Value| {
        let kind = json!(format!("type.googleapis.com/envoy.extensions.{name}"));
        let members = value.as_object().cloned().unwrap_or_default();
        Value::Object(members.into_iter().chain([("@type".to_owned(), kind)]).collect())
    };
    let address =
        |at: SocketAddr| json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}});
    let check = typed(
        "filters.http.jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": {"keycloak": {
                "issuer": issuer.name(),
                "local_jwks": {"inline_string": issuer.jwks().to_string()},
                "claim_to_headers": [{"header_name": USER_HEADER, "claim_name": "preferred_username"}],
                "jwt_cache_config": {"jwt_cache_size": 20_000},
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "keycloak"}}],
        }),
    );
    let manager = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "wiki",
            "route_config": {"virtual_hosts": [{"name": "wiki", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "confluence", "timeout": "0s"}}
            ]}]},
            "http_filters": [
                {"name": "check", "typed_config": check},
                {"name": "router", "typed_config": typed("filters.http.router.v3.Router", json!({}))},
            ],
        }),
    );
    let config = json!({"static_resources": {
        "listeners": [{
            "name": "wiki",
            "address": address(SocketAddr::from(([127, 0, 0, 1], PORT))),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }],
        "clusters": [{
            "name": "confluence", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "confluence", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}
            ]},
        }],
    }});
    fs::write(directory.join("envoy.json"), config.to_string())?;
    command
        .arg(program)
        .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"])
        .arg(directory.join("envoy.json"));
    Ok(())
}

fn oauth2_proxy(command: &mut Command, program: &Path, issuer: &Issuer, upstream: SocketAddr) {
    command.arg(program).env("GOMAXPROCS", "1").args([
        "--provider=oidc".to_owned(),
        format!("--oidc-issuer-url={}", issuer.name()),
        "--client-id=confluence".to_owned(),
        "--client-secret=unused".to_owned(),
        "--cookie-secret=0123456789abcdef".to_owned(),
        "--email-domain=*".to_owned(),
        "--skip-jwt-bearer-tokens=true".to_owned(),
        "--api-route=^/".to_owned(),
        "--pass-user-headers=true".to_owned(),
        "--request-logging=false".to_owned(),
        "--auth-logging=false".to_owned(),
        "--standard-logging=false".to_owned(),
        "--skip-provider-button=true".to_owned(),
        "--redirect-url=http://127.0.0.1/oauth2/callback".to_owned(),
        format!("--http-address=127.0.0.1:{PORT}"),
        format!("--upstream=http://{upstream}/"),
    ]);
}

fn apache(
    command: &mut Command,
    directory: &Path,
    issuer: &Issuer,
    upstream: SocketAddr,
) -> anyhow::Result<()> {
    let modules = [
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_user",
        "proxy",
        "proxy_http",
        "headers",
        "auth_openidc",
    ];
    let mut loaded = String::new();
    for module in modules {
        let file = format!("/usr/lib/apache2/modules/mod_{module}.so");
        if !Path::new(&file).exists() {
            bail!("{file} is missing");
        }
        loaded.push_str(&format!("LoadModule {module}_module {file}\n"));
    }
    let key = directory.join("key.pem");
    fs::write(&key, issuer.public_pem()?)?;
    let config = format!(
        "ServerRoot {dir}\nServerName wiki\nPidFile {dir}/pid\nDefaultRuntimeDir {dir}\nListen 127.0.0.1:{PORT}\nErrorLog /dev/stderr\n\
         User www-data\nGroup www-data\n{loaded}StartServers 1\nServerLimit 1\nThreadsPerChild 64\nMaxRequestWorkers 64\nKeepAlive On\n\
         MaxKeepAliveRequests 0\nOIDCOAuthVerifyCertFiles k1#{key}\nOIDCOAuthRemoteUserClaim preferred_username\n\
         OIDCCryptoPassphrase unused\n<Location />\n  AuthType oauth20\n  Require valid-user\n  \
         RequestHeader set {USER_HEADER} expr=%{{REMOTE_USER}}\n  RequestHeader unset Authorization\n</Location>\n\
         ProxyPass / http://{upstream}/ keepalive=On\n",
        dir = directory.display(),
        key = key.display()
    );
    fs::write(directory.join("httpd.conf"), config)?;
    command.arg("apache2").arg("-DFOREGROUND").arg("-f").arg(directory.join("httpd.conf"));
    Ok(())
}
