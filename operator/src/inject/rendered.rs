//! What the image's entrypoint makes of the container's variables and files. Its template puts values into `server.xml`
//! without escaping, so a value with markup can open a connector; and it reads names without regard to case. So all that
//! can reach the file has to be known, and to be no markup.

use serde_json::Value;

use super::{
    refusal::{Refusal, RefusalReason},
    target::{TOMCAT_PORT, Target},
    tomcat::TRUSTED_PROXIES,
    view,
};

/// What the variables start with that the template reads. By their beginnings, as images of different age read more or
/// fewer. `ATL_JDBC_URL`, `ATL_LICENSE_KEY`, `CATALINA_OPTS` and the like go elsewhere.
const READ: [&str; 4] = ["ATL_TOMCAT_", "ATL_PROXY_", "CATALINA_CONNECTOR_", "CATALINA_CONTEXT_PATH"];
/// Where the image has Tomcat.
const HOME: &str = "/opt/atlassian/confluence";
/// The image's entrypoint and command.
const ENTRYPOINT: [&str; 3] = ["/usr/bin/tini", "--", "/entrypoint.py"];
/// System properties that give Tomcat other files.
const ELSEWHERE: [&str; 3] = ["catalina.base", "catalina.home", "catalina.config"];

/// The first variable that is not known, or would be markup.
pub(super) fn variables(pod: &Value, target: &Target) -> Option<Refusal> {
    view::list(target.container(pod), "/env").iter().find_map(|entry| {
        let name = view::name(entry);
        let capitals = name.to_ascii_uppercase();
        if !READ.iter().any(|prefix| capitals.starts_with(prefix)) {
            return None;
        }
        if name != capitals {
            return Some(refused(format!(
                "{name} of container {:?} is taken for {capitals} by the image, whichever comes last; write it in capitals, \
                 once",
                target.name
            )));
        }
        match view::entry(entry) {
            view::Variable::Unknown => Some(unknown(target, entry)),
            // Its only values have been judged; one of them is markup of ours.
            view::Variable::Plain(_) if name == TOMCAT_PORT => None,
            view::Variable::Plain(value) => is_markup(name, value).then(|| {
                refused(format!(
                    "{name} of container {:?} has a character that the image would write into Tomcat's server.xml as \
                     markup; set it to a value without quotes, <, >, &, {{ and line breaks",
                    target.name
                ))
            }),
            view::Variable::Absent => None,
        }
    })
}

/// `${…}` Tomcat itself would replace. In a regular expression `{` alone is a number of times.
fn is_markup(name: &str, value: &str) -> bool {
    let brace = if TRUSTED_PROXIES.contains(&name) { "${" } else { "{" };
    value.contains(brace) || value.contains(['"', '\'', '<', '>', '&']) || value.contains(char::is_control)
}

fn unknown(target: &Target, entry: &Value) -> Refusal {
    let name = view::name(entry);
    let source = ["configMapKeyRef", "secretKeyRef"].into_iter().find_map(|kind| {
        let source = entry.get("valueFrom")?.get(kind)?;
        Some(format!("the value of key {:?} of {:?}", view::text(source, "/key"), view::name(source)))
    });
    refused(format!(
        "{name} of container {:?} has no plain value (valueFrom, or put together from other variables), so what the image \
         will write into Tomcat's server.xml is not known when the pod is made; set it as a plain value, {}",
        target.name,
        source.as_deref().unwrap_or("the one that it has in the end")
    ))
}

/// What `envFrom` brings is not known here: any name, with any value.
pub(super) fn hidden_variables(pod: &Value, target: &Target) -> Option<Refusal> {
    if view::list(target.container(pod), "/envFrom").is_empty() {
        return None;
    }
    Some(refused(format!(
        "container {:?} takes variables from envFrom, which could set any of those that the image writes into Tomcat's \
         server.xml; name in env each one that is needed, with valueFrom where it is secret \
         (confluence.additionalEnvironmentVariables of the official chart), and remove envFrom",
        target.name
    )))
}

/// Another Tomcat than the image's, or the image's with other files.
pub(super) fn other_tomcat(pod: &Value, target: &Target) -> Option<Refusal> {
    view::list(target.container(pod), "/env").iter().find_map(|entry| {
        let (name, value) = (view::name(entry), view::entry(entry));
        let what = match value {
            view::Variable::Plain("" | HOME) => return None,
            _ if ["CATALINA_BASE", "CATALINA_HOME"].contains(&name) => "is",
            view::Variable::Plain(value) if ELSEWHERE.iter().any(|property| value.contains(property)) => "names",
            _ => return None,
        };
        Some(Refusal::new(
            RefusalReason::ServerXml,
            format!(
                "{name} of container {:?} {what} a directory for Tomcat, which would read a server.xml there that is not \
                 known; remove that, so that Tomcat reads the one of {HOME}/conf",
                target.name
            ),
        ))
    })
}

/// A command of one's own need not render the image's template, nor start Tomcat with it.
pub(super) fn other_command(pod: &Value, target: &Target) -> Option<Refusal> {
    let container = target.container(pod);
    let words = ["/command", "/args"].into_iter().flat_map(|member| view::list(container, member));
    let words: Vec<&str> = words.map(|word| word.as_str().unwrap_or_default()).collect();
    let [.., entrypoint] = ENTRYPOINT;
    if words.is_empty() || words == ENTRYPOINT || words == ENTRYPOINT[..2] || words == [entrypoint] {
        return None;
    }
    Some(Refusal::new(
        RefusalReason::Command,
        format!(
            "container {:?} has a command or args of its own, so it is not known with which server.xml Tomcat starts; \
             remove them, so that the image's {entrypoint} runs (what has to happen before goes into an init container)",
            target.name
        ),
    ))
}

fn refused(message: String) -> Refusal {
    Refusal::new(RefusalReason::UnknownVariable, message)
}
