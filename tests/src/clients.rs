//! Clients that people really use, run as they come: curl, and Python libraries in an environment of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use crate::{
    command::run,
    keycloak::approve_device,
    pages,
    world::{ISSUER_HOST, World},
};

/// Where the realm of the test cluster gives tokens.
pub const TOKEN_URL: &str = "https://sso.example.test/auth/realms/atlassian/protocol/openid-connect/token";
/// Of the client `reports`.
const SECRET: &str = "reports-secret";
/// A page to be written.
const PAGE: &str = r#"{"type": "page", "title": "By the page for callers", "space": {"key": "DS"},
    "body": {"storage": {"value": "<p>x</p>", "representation": "storage"}}}"#;

/// A folder that goes with its user.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("restward-callers-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a client did, as its user sees it.
#[derive(Debug)]
pub struct Shown {
    /// Its exit code was 0.
    pub succeeded: bool,
    /// All that it printed.
    pub text: String,
}

/// The installed clients.
pub struct Clients {
    python: PathBuf,
    /// Where the page's blocks run: what one leaves there the next one finds.
    folder: Folder,
    resolve: String,
}

impl Clients {
    /// Installs them, if they are not there yet.
    ///
    /// # Errors
    /// When one cannot be installed.
    pub async fn install(world: &World) -> Result<Self> {
        let python = run(&in_clients("install").to_string_lossy(), &[], None).await?;
        let clients = Self {
            python: python.trim().into(),
            folder: Folder::new()?,
            resolve: format!("{ISSUER_HOST}:443={}", world.keycloak_address),
        };
        fs::write(clients.ca(), &world.ca_pem)?;
        Ok(clients)
    }

    /// Keycloak's certificate authority.
    fn ca(&self) -> PathBuf {
        self.folder.0.join("ca.crt")
    }

    /// Runs a script of `tests/clients` with these variables.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn python(&self, script: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<Shown> {
        self.with_python(&self.python, script, args, variables).await
    }

    /// Has an MCP client make a page by the MCP server `mcp-atlassian`, with these variables of `tests/clients/by_mcp.py`.
    ///
    /// # Errors
    /// When they cannot be installed or run.
    pub async fn mcp(&self, world: &World, variables: &[(&str, &str)]) -> Result<Shown> {
        let python = run(&in_clients("install").to_string_lossy(), &["mcp"], None).await?;
        self.with_python(Path::new(python.trim()), "by_mcp.py", &[&world.wiki_url], variables).await
    }

    async fn with_python(
        &self,
        python: &Path,
        script: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Shown> {
        let mut command = Command::new(python);
        command
            .arg(in_clients(script))
            .args(args)
            .env("REQUESTS_CA_BUNDLE", self.ca())
            .env("RESOLVE", &self.resolve)
            .env("NO_PROXY", "*")
            // The wiki of the test cluster is reached without TLS.
            .env("OAUTHLIB_INSECURE_TRANSPORT", "1")
            .envs(variables.iter().copied());
        shown(command).await
    }

    /// Runs what docs/callers/README.md has in its blocks of this language that hold `part`, one after the other in one program, with
    /// the variables and files that the page speaks of, and `more` at the end.
    ///
    /// # Errors
    /// When the page has no such block, or the program cannot be run.
    pub async fn page(&self, world: &World, language: &str, parts: &[&str], more: &str) -> Result<Shown> {
        shown(self.page_command(world, language, parts, more)?).await
    }

    /// The same of its blocks for a shell that ask a person to open a page, which `user` does.
    ///
    /// # Errors
    /// When it ends without having asked, or Keycloak shows something else.
    pub async fn page_for(&self, world: &World, user: &str, parts: &[&str], more: &str) -> Result<Shown> {
        let mut command = self.page_command(world, "sh", parts, more)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut running = command.spawn()?;
        let mut said = BufReader::new(running.stdout.take().context("no standard output")?);
        let mut asked = String::new();
        said.read_line(&mut asked).await?;
        let Some(page) = asked.trim().strip_prefix("open ") else {
            let ended = running.wait_with_output().await?;
            bail!("it asks nobody to open a page: {asked}{}", String::from_utf8_lossy(&ended.stderr));
        };
        approve_device(world, user, page).await?;
        let mut text = String::new();
        said.read_to_string(&mut text).await?;
        let ended = running.wait_with_output().await?;
        text += &String::from_utf8_lossy(&ended.stderr);
        Ok(Shown { succeeded: ended.status.success(), text })
    }

    fn page_command(&self, world: &World, language: &str, parts: &[&str], more: &str) -> Result<Command> {
        let page = pages::all().into_iter().find(|page| page.path.ends_with("docs/callers/README.md"));
        let blocks = page.context("the page is gone")?.blocks();
        let mut script =
            if language == "python" { "import places\n".to_owned() } else { "set -euo pipefail\n".into() };
        for part in parts {
            let block = blocks.iter().find(|block| block.language == language && block.text.contains(part));
            script += &block.with_context(|| format!("no {language} block has {part:?}"))?.text;
        }
        script += more;
        let folder = &self.folder.0;
        let place = format!(
            "connect-to = {}\ncacert = {}\nnoproxy = *\n",
            self.resolve.replace('=', ":"),
            self.ca().display()
        );
        fs::write(folder.join(".curlrc"), place)?;
        fs::write(folder.join("reports.secret"), SECRET)?;
        fs::write(folder.join("page.json"), PAGE)?;
        fs::write(folder.join("plan.pdf"), "%PDF-1.7")?;
        let mut command =
            Command::new(if language == "python" { self.python.as_os_str() } else { "bash".as_ref() });
        command
            .args(["-c", &script])
            .current_dir(folder)
            .env("CURL_HOME", folder)
            .env("WIKI", &world.wiki_url)
            .env("TOKEN_URL", TOKEN_URL)
            .env("CLIENT_SECRET", SECRET)
            .env(
                "PYTHONPATH",
                format!("{}:{}", in_clients("").display(), in_clients("../../docs/callers").display()),
            )
            .env("REQUESTS_CA_BUNDLE", self.ca())
            .env("RESOLVE", &self.resolve)
            .env("NO_PROXY", "*");
        Ok(command)
    }

    /// Runs curl, which shows the body of an error and fails by it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn curl(&self, args: &[&str]) -> Result<Shown> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]).args(args);
        shown(command).await
    }
}

fn in_clients(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

async fn shown(mut command: Command) -> Result<Shown> {
    let output = command.kill_on_drop(true).output().await.with_context(|| format!("{command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Shown { succeeded: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}
