//! No way around the sidecar: Tomcat's port from another pod, and the sidecar's own key from outside.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::{
    command::{kubectl, kubectl_json, run},
    policy,
    table::Table,
    wait::{QUICK, eventually},
    wiki::{Auth, CONTENT, get},
    world::{WIKI_NAMESPACE, WIKI_POD, World, secret},
};

const PROBE_POD: &str = "outside";

pub(super) async fn no_way_around(world: &World, table: &mut Table) -> Result<()> {
    table.section("No way around");
    let message = policy::until(WIKI_NAMESPACE, policy::NAME, "Enforced", "True", "Verified", QUICK).await?;
    table.add(
        "status: Enforced, as the sidecar itself has verified",
        "True",
        format!("True: {message}"),
        true,
    );
    let pod = kubectl_json(&["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE]).await?;
    let address = pod["status"]["podIP"].as_str().unwrap_or_default();
    let status = from_another_pod(&pod, address, 18090).await?;
    table.add("pod address:18090 from another pod", "refused", &status, status == "refused");
    let status = from_another_pod(&pod, address, 8090).await?;
    table.add("… while pod address:8090 is the sidecar", "401", &status, status == "401");

    let answer = get(world, CONTENT, &Auth::Raw(signed_with_the_stolen_key(world).await?)).await?;
    table.refused("OAuth signed with the sidecar's own key, from outside", 401, "reserved_consumer", &answer);
    Ok(())
}

/// Status line of `GET /confluence/rest/api/content` from a pod beside Confluence.
async fn from_another_pod(wiki: &serde_json::Value, address: &str, port: u16) -> Result<String> {
    let image = wiki["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    // A pod's log is both streams, in no certain order: the shell's own words stay out of it.
    let script = format!(
        "exec 2>/dev/null; exec 3<>/dev/tcp/{address}/{port} || {{ echo refused; exit; }}; \
         printf 'GET /confluence/rest/api/content HTTP/1.1\\r\\nHost: wiki\\r\\nX-Forwarded-For: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n' >&3; \
         read -r _ status _ <&3; echo \"$status\""
    );
    kubectl(&["delete", "pod", PROBE_POD, "-n", "default", "--ignore-not-found", "--wait=true"]).await?;
    kubectl(&[
        "run",
        PROBE_POD,
        "-n",
        "default",
        "--image",
        image,
        "--image-pull-policy=IfNotPresent",
        "--restart=Never",
        "--command",
        "--",
        "bash",
        "-c",
        &script,
    ])
    .await?;
    let log = eventually("the probe pod ends", QUICK, || async {
        let phase =
            kubectl(&["get", "pod", PROBE_POD, "-n", "default", "-o", "jsonpath={.status.phase}"]).await?;
        if phase != "Succeeded" {
            bail!("phase {phase}");
        }
        kubectl(&["logs", PROBE_POD, "-n", "default"]).await
    })
    .await?;
    kubectl(&["delete", "pod", PROBE_POD, "-n", "default", "--wait=false"]).await?;
    Ok(log.lines().last().unwrap_or_default().trim().to_owned())
}

/// What somebody who stole the key would send: a correct OAuth 1.0a request for the administrator.
async fn signed_with_the_stolen_key(world: &World) -> Result<String> {
    let policy = policy::read().await?;
    let consumer = policy["status"]["applicationLink"]["consumerKey"].as_str().unwrap_or_default().to_owned();
    let uid = policy["metadata"]["uid"].as_str().unwrap_or_default();
    let key = secret(WIKI_NAMESPACE, "restward-keys", &format!("{uid}.consumer-key.pem")).await?;
    let file = std::env::temp_dir().join(format!("restward-key-{}.pem", std::process::id()));
    std::fs::write(&file, key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let parameters = format!(
        "oauth_consumer_key={consumer}&oauth_nonce={}&oauth_signature_method=RSA-SHA1&oauth_timestamp={now}&oauth_token=&oauth_version=1.0",
        std::process::id()
    );
    let base = format!("GET&{}&{}", encode(&format!("{}{CONTENT}", world.wiki_url)), encode(&parameters));
    let script = format!("openssl dgst -sha1 -sign '{}' | base64 -w0", file.display());
    let signature = run("bash", &["-c", &script], Some(base.as_bytes())).await;
    std::fs::remove_file(&file)?;
    Ok(format!(
        "OAuth {}, oauth_signature=\"{}\"",
        parameters.replace('=', "=\"").replace('&', "\", ") + "\"",
        encode(&signature?)
    ))
}

/// RFC 5849 section 3.6.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
