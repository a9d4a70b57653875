//! What Argo CD makes of a policy, by the health check that the page about installing gives its readers.
//!
//! - [`running`]: Argo CD itself

pub mod running;

use anyhow::{Context as _, Result};
use mlua::{Lua, LuaOptions, LuaSerdeExt as _, StdLib};
use serde_json::Value;

/// The page. Argo CD runs the script in an interpreter of Lua 5.1, without libraries but for the base.
const PAGE: &str = include_str!("../../docs/start/install.md");
/// The key of `argocd-cm`, and where the script under it ends.
const BEGIN: &str = "resource.customizations.health.restward.io_RestApiAuthPolicy: |\n";
const END: &str = "```";

/// `Healthy`, `Suspended`, `Progressing` or `Degraded`, and what is said with it.
///
/// # Errors
/// When the page has no such script, or it fails.
pub fn health(policy: &Value) -> Result<(String, String)> {
    let (_, rest) = PAGE.split_once(BEGIN).context("docs/start/install.md has no health check")?;
    let (script, _) = rest.split_once(END).context("the health check has no end")?;
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default())?;
    lua.globals().set("obj", lua.to_value(policy)?)?;
    let health: mlua::Table = lua.load(script).eval()?;
    Ok((health.get("status")?, health.get("message")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assessed(conditions: &[(&str, &str, &str)]) -> String {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": "why"}))
            .collect();
        let policy = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": conditions}});
        health(&policy).map(|(status, _)| status).unwrap()
    }

    #[test]
    fn what_somebody_has_to_do_suspends_and_what_is_wrong_degrades() {
        let ready = ("Ready", "False", "NotReady");
        for (expected, condition) in [
            ("Suspended", ("Injected", "False", "RestartRequired")),
            ("Progressing", ("ConfigCurrent", "False", "Stale")),
            ("Progressing", ("ConfigCurrent", "Unknown", "Unreachable")),
            ("Degraded", ("Enforced", "False", "BypassDetected")),
        ] {
            assert_eq!(assessed(&[ready, condition]), expected, "{condition:?}");
        }
        let all = [("UpstreamTrusted", "False", "LinkMissing"), ("Enforced", "False", "BypassDetected")];
        assert_eq!(assessed(&all), "Degraded", "what is wrong comes before what waits");
        assert_eq!(assessed(&[("Ready", "True", "Ready"), all[0]]), "Healthy");
    }

    #[test]
    fn a_status_of_an_older_generation_says_nothing() {
        for policy in [
            json!({"metadata": {"generation": 1}}),
            json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [
                {"type": "Ready", "status": "True", "reason": "Ready", "message": "of the spec before"}]}}),
        ] {
            assert_eq!(health(&policy).unwrap().0, "Progressing", "{policy}");
        }
    }
}
