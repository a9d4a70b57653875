//! One pass over a `server.xml`: connectors are moved, the sidecar is trusted where a proxy was, everything else stays byte
//! by byte. What the file says besides is noted, and judged when all of it was read.
//!
//! Tomcat must not read in the file what is not read here. So nothing passes that two parsers could take differently: no
//! DOCTYPE (its entities could be a connector), no other encoding or version of XML, no names but plain ones. Tomcat's
//! digester calls a setter for each attribute with its first letter made a capital, so names are compared without case, and
//! one that is there twice but for its case is refused: which of the two counts is Tomcat's affair.

use std::borrow::Cow;

use quick_xml::{
    Reader, Writer, XmlVersion,
    events::{BytesDecl, BytesStart, Event, attributes::Attribute},
};
use restward_crds::{api::v1alpha1::Interception, sidecar::terms::Scheme};

use super::{Connector, NIO, connector_attributes, has_sockets, with_loopback};

/// Protocols of connectors that speak plain HTTP.
const HTTP: [&str; 4] = [
    "HTTP/1.1",
    NIO,
    "org.apache.coyote.http11.Http11Nio2Protocol",
    "org.apache.coyote.http11.Http11AprProtocol",
];

/// The header by which the sidecar tells Tomcat who calls.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What was found in the file.
#[derive(Default)]
pub(super) struct Found {
    interception: Interception,
    connectors: Vec<Attributes>,
    services: usize,
    engines: Vec<Attributes>,
    hosts: Vec<Attributes>,
    contexts: Vec<Attributes>,
}

/// Attributes of an element, unescaped. No two names are equal but for their case.
#[derive(Default)]
struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// The value, empty when there is none.
    fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The file with its changes, and what was found in it.
pub(super) fn edit(source: &str, interception: Interception) -> Result<(String, Found), String> {
    let mut reader = Reader::from_str(source.trim_start_matches('\u{feff}'));
    reader.config_mut().check_comments = true;
    let mut writer = Writer::new(Vec::new());
    let mut found = Found { interception, ..Found::default() };
    let mut open: Vec<String> = Vec::new();
    loop {
        let event = match reader.read_event().map_err(malformed)? {
            Event::Eof => break,
            Event::DocType(_) => {
                return Err("has a DOCTYPE, by which it could take in other files; remove it".into());
            }
            Event::Decl(declaration) => {
                check_declaration(&declaration)?;
                Event::Decl(declaration)
            }
            Event::Start(element) => {
                let edited = found.element(&open, element)?;
                open.push(edited.name().0.to_owned());
                Event::Start(edited)
            }
            Event::Empty(element) => Event::Empty(found.element(&open, element)?),
            Event::End(end) => {
                open.pop();
                Event::End(end)
            }
            other => other,
        };
        writer.write_event(event).map_err(malformed)?;
    }
    if !open.is_empty() {
        return Err("is not complete: not every element is closed".into());
    }
    let xml = String::from_utf8(writer.into_inner()).map_err(malformed)?;
    Ok((xml, found))
}

fn malformed(error: impl std::fmt::Display) -> String {
    format!("is not well-formed XML ({error})")
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), String> {
    let version = declaration.version().map_err(malformed)?;
    let encoding = declaration.encoding().transpose().map_err(malformed)?;
    let encoding = encoding.as_deref().unwrap_or("utf-8");
    if version != "1.0" || !encoding.eq_ignore_ascii_case("utf-8") {
        return Err(format!("is XML {version} in {encoding}; make it XML 1.0 in UTF-8"));
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

impl Found {
    /// Notes an element below `open`, and gives it as it is to be.
    fn element<'a>(&mut self, open: &[String], element: BytesStart<'a>) -> Result<BytesStart<'a>, String> {
        let attributes = read(&element)?;
        let path: Vec<&str> = open.iter().map(String::as_str).collect();
        let name = element.name().0.to_owned();
        let changes = match (path.as_slice(), name.as_str()) {
            ([], "Server") => no_offset(&attributes).map(|()| Vec::new())?,
            (["Server"], "Service") => {
                self.services += 1;
                Vec::new()
            }
            (["Server", "Service"], "Connector") => {
                let changes = connector(&attributes, self.interception)?;
                self.connectors.push(attributes);
                changes
            }
            (["Server", "Service"], "Engine") => {
                self.engines.push(attributes);
                Vec::new()
            }
            (["Server", "Service", "Engine"], "Host") => {
                self.hosts.push(attributes);
                Vec::new()
            }
            (["Server", "Service", "Engine", "Host"], "Context") => {
                self.context(attributes)?;
                Vec::new()
            }
            (_, "SSLHostConfig") => return Err(ends_tls()),
            (_, "Valve") => valve(&attributes)?,
            ([], _) | (_, "Server" | "Service" | "Connector" | "Engine" | "Host" | "Context") => {
                return Err(format!("has an element {name:?} where Tomcat expects none; remove it"));
            }
            _ => Vec::new(),
        };
        if changes.is_empty() { Ok(element) } else { rebuilt(&element, &changes) }
    }

    fn context(&mut self, attributes: Attributes) -> Result<(), String> {
        // Such a context does not read the defaults of its host, where the valve is.
        if !matches!(attributes.get("override"), "" | "false") {
            return Err(
                "has a Context with override=\"true\", which Restward's valve does not reach; remove \
                        the attribute"
                    .into(),
            );
        }
        self.contexts.push(attributes);
        Ok(())
    }

    /// What the sidecar has to know, when the file is one that can be protected.
    pub(super) fn connector(&self, file: String) -> Result<Connector, String> {
        let ([connector], 1) = (self.connectors.as_slice(), self.services) else {
            let ports: Vec<&str> = self.connectors.iter().map(|connector| connector.get("port")).collect();
            return Err(format!(
                "has {} connectors (ports {}), but the sidecar can stand in front of one only, the others would lead around \
                 it; leave the one for HTTP (confluence.tunnel.additionalConnector.port of the official chart makes a \
                 second: leave it empty)",
                ports.len(),
                ports.join(", ")
            ));
        };
        let ([engine], [host]) = (self.engines.as_slice(), self.hosts.as_slice()) else {
            return Err("has more or less than one Engine with one Host; leave the Engine \"Standalone\" with the Host \
                        \"localhost\""
                .into());
        };
        let names = (engine.get("name"), engine.get("defaultHost"), host.get("name"), host.get("xmlBase"));
        if names != ("Standalone", "localhost", "localhost", "") {
            return Err("has names of its own for Engine or Host, so that Tomcat would not read Restward's valve; set \
                        Engine name=\"Standalone\" defaultHost=\"localhost\" and Host name=\"localhost\" without xmlBase"
                .into());
        }
        if !matches!(host.get("appBase"), "" | "webapps") {
            return Err("has an appBase of its own for Host, whose applications are not known; set appBase=\"webapps\"".into());
        }
        let context_path = context_path(&self.contexts)?;
        let number = |name: &str| connector.get(name).trim().parse::<u16>().ok();
        Ok(Connector {
            file,
            port: number("port").ok_or("has a connector whose port is no number; set the number")?,
            scheme: match connector.get("scheme") {
                "" | "http" => Some(Scheme::Http),
                "https" => Some(Scheme::Https),
                _ => None,
            },
            proxy_name: Some(connector.get("proxyName"))
                .filter(|name| !name.is_empty() && !name.contains("${"))
                .map(str::to_owned),
            proxy_port: number("proxyPort").filter(|port| *port != 0),
            context_path,
        })
    }
}

/// The path of Confluence, when there is no other application than it and the chart's proxy to Synchrony.
fn context_path(contexts: &[Attributes]) -> Result<String, String> {
    let (synchrony, others): (Vec<_>, Vec<_>) =
        contexts.iter().partition(|context| context.get("docBase") == "../synchrony-proxy");
    let [context] = others.as_slice() else {
        return Err("has more or less than one Context of Confluence; leave the one with docBase=\"../confluence\", besides the one \
                    with docBase=\"../synchrony-proxy\""
            .into());
    };
    if context.get("docBase") != "../confluence" {
        return Err("has a Context that is not Confluence's; set docBase=\"../confluence\"".into());
    }
    // Without one Tomcat makes a path of the docBase's name.
    let Some(path) = context.find("path") else {
        return Err("has no path in Confluence's Context; set path=\"\", or path=\"/name\" when Confluence is below a path \
                    (confluence.service.contextPath of the official chart)"
            .into());
    };
    if path.contains("${") {
        return Err("has a path of Confluence's Context that only Tomcat knows; set it as plain text \
                    (confluence.service.contextPath of the official chart)"
            .into());
    }
    let path = path.trim_end_matches('/').to_owned();
    let is_below = |context: &&Attributes| {
        let beginning = context.get("path").strip_suffix("/synchrony-proxy");
        beginning.is_some_and(|beginning| beginning == "${confluence.context.path}" || beginning == path)
    };
    if synchrony.len() > 1 || !synchrony.iter().all(is_below) {
        return Err("has the proxy to Synchrony at another path; leave one Context with docBase=\"../synchrony-proxy\" and \
                    path=\"${confluence.context.path}/synchrony-proxy\""
            .into());
    }
    Ok(path)
}

fn read(element: &BytesStart<'_>) -> Result<Attributes, String> {
    if !is_plain(element.name().0) {
        return Err(format!("has an element of the odd name {:?}; remove it", element.name().0));
    }
    let mut attributes: Vec<(String, String)> = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(malformed)?;
        let name = attribute.key.0;
        if let Some((other, _)) = attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(format!(
                "has {:?} with {other} and {name}, which are one to Tomcat; leave one of them",
                element.name().0
            ));
        }
        attributes.push((name.to_owned(), value.into_owned()));
    }
    Ok(Attributes(attributes))
}

fn ends_tls() -> String {
    "has a connector that ends TLS itself, which the sidecar does not; end TLS in front of the pod and leave a connector \
     for plain HTTP"
        .into()
}

/// Every connector goes behind the sidecar. Those that speak something else than HTTP, or listen
/// somewhere else than on that port, are refused.
fn connector(
    attributes: &Attributes,
    interception: Interception,
) -> Result<Vec<(&'static str, String)>, String> {
    let protocol = attributes.get("protocol");
    if !protocol.is_empty() && !HTTP.contains(&protocol) {
        return Err(format!(
            "has a connector of protocol {protocol:?}, on which callers name users themselves or which is not known; leave \
             one with protocol=\"{NIO}\""
        ));
    }
    if !matches!(attributes.get("SSLEnabled"), "" | "false") {
        return Err(ends_tls());
    }
    if !attributes.get("unixDomainSocketPath").is_empty() {
        return Err("has a connector on a Unix socket; remove unixDomainSocketPath".into());
    }
    if interception == Interception::UnixSocket && !has_sockets(protocol) {
        return Err(format!(
            "has a connector of protocol {protocol:?}, which knows no Unix sockets (spec.interception: UnixSocket); leave one \
             with protocol=\"{NIO}\""
        ));
    }
    no_offset(attributes)?;
    Ok(connector_attributes(interception))
}

fn no_offset(attributes: &Attributes) -> Result<(), String> {
    match attributes.get("portOffset") {
        "" | "0" => Ok(()),
        _ => Err("shifts its ports (portOffset), so that Tomcat would not listen where it is told to; remove portOffset".into()),
    }
}

/// The sidecar says in X-Forwarded-For who calls it, and passes every other header on as the caller sent it.
fn valve(attributes: &Attributes) -> Result<Vec<(&'static str, String)>, String> {
    if !attributes.get("className").ends_with(".RemoteIpValve") {
        return Ok(Vec::new());
    }
    let header = attributes.find("remoteIpHeader").unwrap_or(FORWARDED_FOR);
    if !header.eq_ignore_ascii_case(FORWARDED_FOR) {
        return Err(format!(
            "has a RemoteIpValve that believes the header {header:?}, in which callers could name any address once it trusts \
             the sidecar; set remoteIpHeader=\"{FORWARDED_FOR}\""
        ));
    }
    let trusted = ["internalProxies", "trustedProxies"].into_iter();
    Ok(trusted
        .map(|name| (name, with_loopback(attributes.get(name))))
        .filter(|(name, value)| value != attributes.get(name))
        .collect())
}

/// The element with these attributes, in their places or behind the others.
fn rebuilt(
    element: &BytesStart<'_>,
    changes: &[(&'static str, String)],
) -> Result<BytesStart<'static>, String> {
    let mut rebuilt = BytesStart::new(element.name().0.to_owned());
    let mut missing: Vec<&(&str, String)> = changes.iter().collect();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let change = changes.iter().find(|(name, _)| attribute.key.0.eq_ignore_ascii_case(name));
        match change {
            Some((name, value)) => {
                missing.retain(|(missing, _)| missing != name);
                rebuilt.push_attribute(Attribute::from((*name, value.as_str())));
            }
            None => rebuilt
                .push_attribute(Attribute { key: attribute.key, value: Cow::Borrowed(&attribute.value) }),
        }
    }
    for (name, value) in missing {
        rebuilt.push_attribute(Attribute::from((*name, value.as_str())));
    }
    Ok(rebuilt)
}
