//! etcd and a kube-apiserver without anything else of Kubernetes, and the chart in it. They end with this process's table of
//! processes, which `run` makes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kube::{Client, Config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Address of the operator's servers; on loopback, but one that an EndpointSlice may have.
pub(crate) const ADDRESS: &str = "192.0.2.10";
/// The operator's namespace.
pub(crate) const NAMESPACE: &str = "restward-system";

const SERVER: &str = "https://127.0.0.1:6443";
const ETCD: &str = "http://127.0.0.1:2379";
const ADMIN_TOKEN: &str = "admin";
const OPERATOR_TOKEN: &str = "operator";
/// ServiceAccount of the chart.
const OPERATOR: &str = "system:serviceaccount:restward-system:restward";

/// A running API server.
pub(crate) struct ApiServer {
    directory: PathBuf,
    _etcd: Child,
    process: Child,
}

impl ApiServer {
    /// Starts it, with its files in `directory`, and installs the chart.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let at = |name: &str| directory.join(name).display().to_string();
        certificates(directory)?;
        fs::write(at("tokens.csv"), tokens())?;
        fs::write(at("audit.yaml"), audit_policy().to_string())?;
        for (name, token) in [("admin.yaml", ADMIN_TOKEN), ("operator.yaml", OPERATOR_TOKEN)] {
            fs::write(at(name), kubeconfig(&at("ca.crt"), token).to_string())?;
        }
        // In memory, and given up afterwards.
        let etcd = daemon(
            directory,
            "etcd",
            &[
                &format!("--data-dir={}", at("etcd")),
                "--unsafe-no-fsync",
                "--quota-backend-bytes=8589934592",
                &format!("--listen-client-urls={ETCD}"),
                &format!("--advertise-client-urls={ETCD}"),
                "--listen-peer-urls=http://127.0.0.1:2380",
            ],
        )?;
        let api_server = daemon(
            directory,
            "kube-apiserver",
            &[
                &format!("--etcd-servers={ETCD}"),
                "--bind-address=127.0.0.1",
                &format!("--advertise-address={ADDRESS}"),
                &format!("--tls-cert-file={}", at("server.crt")),
                &format!("--tls-private-key-file={}", at("server.key")),
                "--service-account-issuer=https://kubernetes.default.svc",
                &format!("--service-account-key-file={}", at("server.crt")),
                &format!("--service-account-signing-key-file={}", at("server.key")),
                "--service-cluster-ip-range=10.96.0.0/16",
                &format!("--token-auth-file={}", at("tokens.csv")),
                // There is nobody who makes ServiceAccounts, and nobody who routes the addresses of Services.
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount",
                "--enable-aggregator-routing=true",
                &format!("--audit-policy-file={}", at("audit.yaml")),
                &format!("--audit-log-path={}", at("audit.log")),
                "--audit-log-mode=batch",
                // Megabytes: one file, which is read on.
                "--audit-log-maxsize=100000",
            ],
        )?;
        let mut server = Self { directory: directory.to_owned(), _etcd: etcd, process: api_server };
        tokio::time::timeout(Duration::from_mins(1), server.answers())
            .await
            .context("the API server does not answer")??;
        server.install().await?;
        Ok(server)
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the operator asks.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    /// For the operator: with the rights that the chart gives it.
    pub(crate) fn operator_kubeconfig(&self) -> PathBuf {
        self.directory.join("operator.yaml")
    }

    /// For somebody who may do everything.
    pub(crate) fn admin(&self) -> anyhow::Result<Client> {
        let authority = rustls_der(&self.directory.join("ca.crt"))?;
        let mut config = Config::new(SERVER.parse()?);
        config.root_cert = Some(vec![authority]);
        config.auth_info.token = Some(ADMIN_TOKEN.to_owned().into());
        Ok(Client::try_from(config)?)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        while self.kubectl(&["get", "--raw=/readyz"], None).await.is_err() {
            if let Some(status) = self.process.try_wait()? {
                let log = fs::read_to_string(self.directory.join("kube-apiserver.log"))?;
                let last = log.lines().find(|line| line.contains("command failed"));
                anyhow::bail!("the API server has ended ({status}): {}", last.unwrap_or(&log));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    /// The chart, and what controllers would make of it.
    async fn install(&self) -> anyhow::Result<()> {
        self.kubectl(&["create", "namespace", NAMESPACE], None).await?;
        for chart in ["restward-crds", "restward"] {
            let mut helm = Command::new("helm");
            helm.args([
                "template",
                "restward",
                &format!("charts/{chart}"),
                "--namespace",
                NAMESPACE,
                "--no-hooks",
            ]);
            let rendered = helm.args(["--kube-version", "1.34"]).output().await?;
            ensure!(rendered.status.success(), "helm: {}", String::from_utf8_lossy(&rendered.stderr));
            let apply = ["apply", "--server-side", "--namespace", NAMESPACE, "--filename=-"];
            self.kubectl(&apply, Some(rendered.stdout)).await?;
        }
        let established =
            ["wait", "--for=condition=Established", "--timeout=60s", "crd/restapiauthpolicies.restward.io"];
        self.kubectl(&established, None).await?;
        let endpoints = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "restward", "labels": {"kubernetes.io/service-name": "restward"}},
            "ports": [{"name": "webhook", "port": restward_crds::names::WEBHOOK_PORT, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": true}}],
        });
        let apply = ["apply", "--namespace", NAMESPACE, "--filename=-"];
        self.kubectl(&apply, Some(endpoints.to_string().into_bytes())).await
    }

    async fn kubectl(&self, arguments: &[&str], input: Option<Vec<u8>>) -> anyhow::Result<()> {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(self.directory.join("admin.yaml")).args(arguments);
        if let Some(input) = input {
            let file = self.directory.join("input.yaml");
            fs::write(&file, input)?;
            kubectl.stdin(fs::File::open(file)?);
        }
        let output = kubectl.output().await?;
        ensure!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

fn daemon(directory: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<Child> {
    let log = fs::File::create(directory.join(format!("{program}.log")))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().with_context(|| program.to_owned())
}

fn certificates(directory: &Path) -> anyhow::Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
    fs::write(directory.join("ca.crt"), authority.pem())?;
    fs::write(directory.join("server.crt"), server.pem())?;
    fs::write(directory.join("server.key"), key.serialize_pem())?;
    Ok(())
}

fn rustls_der(file: &Path) -> anyhow::Result<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    Ok(CertificateDer::from_pem_file(file)?.to_vec())
}

fn tokens() -> String {
    let groups = format!("system:serviceaccounts,system:serviceaccounts:{NAMESPACE}");
    format!("{ADMIN_TOKEN},admin,1,system:masters\n{OPERATOR_TOKEN},{OPERATOR},2,\"{groups}\"\n")
}

/// Each request of the operator once, and a watch when it begins.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "rules": [
            {"level": "Metadata", "users": [OPERATOR], "verbs": ["watch"], "omitStages": ["RequestReceived", "ResponseComplete"]},
            {"level": "Metadata", "users": [OPERATOR], "omitStages": ["RequestReceived", "ResponseStarted"]},
            {"level": "None"},
        ],
    })
}

fn kubeconfig(authority: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": SERVER, "certificate-authority": authority}}],
        "users": [{"name": "bench", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    })
}
