use super::*;

const CHART: &str = include_str!("testdata/chart.xml");

fn derive(source: &str) -> Result<Derived, String> {
    super::derive(source, Interception::Port)
}

/// The chart's file with `old` replaced.
fn with(old: &str, new: &str) -> String {
    assert!(CHART.contains(old), "{old}");
    CHART.replacen(old, new, 1)
}

/// The lines of `text` that `other` does not have.
fn only_in<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    text.lines().filter(|line| other.lines().all(|known| known != *line)).map(str::trim).collect()
}

#[test]
fn the_charts_file_goes_to_loopback_and_stays_else_as_it_is() {
    let derived = derive(CHART).unwrap();
    let connector = concat!(
        r#"<Connector port="18090" maxThreads="100" enableLookups="false" "#,
        r#"protocol="org.apache.coyote.http11.Http11NioProtocol" redirectPort="8443" URIEncoding="UTF-8" secure="true" "#,
        r#"scheme="https" proxyName="wiki.example.com" proxyPort="443" maxHttpHeaderSize="8192" address="127.0.0.1"/>"#
    );
    let valve = concat!(
        r#"<Valve className="org.apache.catalina.valves.RemoteIpValve" proxiesHeader="x-forwarded-by" "#,
        r#"internalProxies="10\.0\.0\.1|10\.0\.0\.2|127\.0\.0\.1|::1|0:0:0:0:0:0:0:1" remoteIpHeader="x-forwarded-for"/>"#
    );
    assert_eq!(only_in(&derived.xml, CHART), [connector, valve]);
    let told = Connector {
        file: derived.connector.file.clone(),
        port: 8090,
        scheme: Some(Scheme::Https),
        proxy_name: Some("wiki.example.com".into()),
        proxy_port: Some(443),
        context_path: "/confluence".into(),
    };
    assert_eq!(derived.connector, told);
    assert!(is_derived(&told.file) && told.file.len() == "server-.xml".len() + 16, "{}", told.file);
}

#[test]
fn the_connector_goes_to_a_unix_socket_when_the_policy_says_so() {
    let derived = super::derive(CHART, Interception::UnixSocket).unwrap();
    let line = only_in(&derived.xml, CHART)[0].to_owned();
    assert!(line.starts_with(r#"<Connector port="18090" "#), "{line}");
    let socket = concat!(
        r#" maxHttpHeaderSize="8192" address="127.0.0.1" unixDomainSocketPath="/run/restward/tomcat/tomcat.sock" "#,
        r#"unixDomainSocketPathPermissions="rw-rw----"/>"#
    );
    assert!(line.ends_with(socket), "{line}");
    let told = derive(CHART).unwrap().connector;
    assert_ne!(derived.connector.file, told.file);
    assert_eq!(derived.connector, Connector { file: derived.connector.file.clone(), ..told });
}

#[test]
fn only_nio_listens_on_unix_sockets() {
    const NIO: &str = "org.apache.coyote.http11.Http11NioProtocol";
    for (protocol, has_sockets) in [
        ("HTTP/1.1", true),
        ("", true),
        ("org.apache.coyote.http11.Http11Nio2Protocol", false),
        ("org.apache.coyote.http11.Http11AprProtocol", false),
    ] {
        let source = with(NIO, protocol);
        assert!(derive(&source).is_ok(), "{protocol}");
        let why = super::derive(&source, Interception::UnixSocket).err();
        assert_eq!(why.is_none(), has_sockets, "{protocol}: {why:?}");
        assert!(why.is_none_or(|why| why.contains("knows no Unix sockets") && why.contains(NIO)));
    }
}

#[test]
fn the_files_name_follows_from_its_content() {
    let name = |source: &str| derive(source).unwrap().connector.file;
    assert_eq!(name(CHART), name(CHART));
    assert_ne!(name(CHART), name(&with("maxThreads=\"100\"", "maxThreads=\"48\"")));
}

#[test]
fn what_the_connector_says_is_told_to_the_sidecar() {
    type Row = (&'static str, &'static str, fn(&mut Connector));
    let rows: [Row; 7] = [
        ("scheme=\"https\"", "", |told| told.scheme = Some(Scheme::Http)),
        ("scheme=\"https\"", "scheme=\"${scheme}\"", |told| told.scheme = None),
        ("proxyName=\"wiki.example.com\"", "proxyName=\"\"", |told| told.proxy_name = None),
        ("proxyName=\"wiki.example.com\"", "proxyName=\"${name}\"", |told| told.proxy_name = None),
        ("proxyPort=\"443\"", "proxyPort=\"0\"", |told| told.proxy_port = None),
        ("port=\"8090\"", "port=\" 80&#57;1 \"", |told| told.port = 8091),
        ("path=\"/confluence\"", "path=\"\"", |told| told.context_path = String::new()),
    ];
    for (old, new, change) in rows {
        let mut want = derive(CHART).unwrap().connector;
        change(&mut want);
        let got = derive(&with(old, new)).unwrap().connector;
        want.file.clone_from(&got.file);
        assert_eq!(got, want, "{new}");
    }
}

#[test]
fn however_address_and_port_are_spelled_there_is_one_of_each() {
    for spelled in ["address=\"0.0.0.0\"", "Address='0.0.0.0'", "ADDRESS=\"10.0.0.1\""] {
        let xml = derive(&with("maxThreads=\"100\"", spelled)).unwrap().xml;
        let line =
            xml.lines().find(|line| line.contains("<Connector port=\"18090\"")).unwrap().to_lowercase();
        assert_eq!(line.matches("address=").count(), 1, "{line}");
        assert!(line.contains("address=\"127.0.0.1\""), "{line}");
    }
}

#[test]
fn whom_tomcat_trusts_gains_loopback_only_where_it_trusts_somebody() {
    let mine = |setting: &str| {
        let xml = derive(&with(r#"internalProxies="10\.0\.0\.1|10\.0\.0\.2""#, setting)).unwrap().xml;
        let start = xml.find("<Valve className=\"org.apache.catalina.valves.RemoteIpValve\"").unwrap();
        xml[start..].split('>').next().unwrap().to_owned()
    };
    assert!(mine(r#"trustedProxies="10\.9\..*""#).contains(r#"trustedProxies="10\.9\..*|127\.0\.0\.1|::1|"#));
    for nobody in ["internalProxies=\"\"", ""] {
        assert!(!mine(nobody).contains("127"), "{nobody}");
    }
    let twice = derive(&derive(CHART).unwrap().xml).unwrap();
    assert_eq!(twice.xml.matches(r"|::1|").count(), 1);
}

#[test]
fn what_cannot_be_protected_is_refused_with_what_to_set() {
    let second = |attributes: &str| with("<Engine", &format!("<Connector {attributes}/><Engine"));
    let connector = |attribute: &str| with("maxThreads=\"100\"", attribute);
    let context = |attributes: &str| with("</Host>", &format!("<Context {attributes}/></Host>"));
    let rows = [
        (second("port=\"8093\""), "has 2 connectors (ports 8090, 8093)"),
        (second("port=\"8009\" protocol=\"AJP/1.3\" secret=\"x\""), "connector of protocol \"AJP/1.3\""),
        (second("port=\"8443\" SSLEnabled=\"true\""), "ends TLS itself"),
        (
            with("<Engine", "<!-- <Engine --><Engine").replacen("<Connector", "<!-- ", 1).replacen(
                "8192\" />",
                " -->",
                1,
            ),
            "has 0 connectors",
        ),
        (with("</Service>", "</Service><Service><Connector port=\"1\"/></Service>"), "has 2 connectors"),
        (connector("SSLEnabled=\"true\""), "ends TLS itself"),
        (connector("sslenabled=\"TRUE\""), "ends TLS itself"),
        (connector("SSLEnabled=\"${tls}\""), "ends TLS itself"),
        (with("maxHttpHeaderSize=\"8192\" />", "><SSLHostConfig/></Connector>"), "ends TLS itself"),
        (connector("unixDomainSocketPath=\"/s\""), "remove unixDomainSocketPath"),
        (connector("portOffset=\"1\""), "remove portOffset"),
        (with("<Server port", "<Server portOffset=\"10\" port"), "remove portOffset"),
        (
            with("org.apache.coyote.http11.Http11NioProtocol", "${protocol}"),
            "connector of protocol \"${protocol}\"",
        ),
        (with("port=\"8090\"", "port=\"${port}\""), "set the number"),
        (with("\"Standalone\"", "\"Catalina\""), "Engine name=\"Standalone\""),
        (with("defaultHost=\"localhost\"", "defaultHost=\"wiki\""), "Engine name=\"Standalone\""),
        (with("<Host name=\"localhost\"", "<Host name=\"wiki\""), "Host name=\"localhost\""),
        (with("<Host name=\"localhost\"", "<Host name=\"localhost\" xmlBase=\"/x\""), "without xmlBase"),
        (with("</Engine>", "<Host name=\"other\"/></Engine>"), "one Engine with one Host"),
        (with("path=\"/confluence\"", "path=\"/confluence\" override=\"true\""), "override=\"true\""),
        (with("docBase=\"../confluence\"", "docBase=\"../wiki\""), "docBase=\"../confluence\""),
        (with("docBase=\"../confluence\"", "docBase=\"/data/confluence\""), "docBase=\"../confluence\""),
        (with("docBase=\"../confluence\"", "docBase=\"../confluence/\""), "docBase=\"../confluence\""),
        (with("docBase=\"../confluence\"", ""), "docBase=\"../confluence\""),
        (context("path=\"/x\" docBase=\"../confluence\""), "more or less than one Context"),
        (
            context("path=\"/x\" docBase=\"/opt/atlassian/confluence/./confluence/.\""),
            "more or less than one Context",
        ),
        (context("path=\"/x\" docBase=\"../../jira\""), "more or less than one Context"),
        (context("docBase=\"../synchrony-proxy\" path=\"/a/synchrony-proxy\""), "Synchrony at another path"),
        (with("${confluence.context.path}/synchrony-proxy", "/rest"), "Synchrony at another path"),
        (
            with("${confluence.context.path}/synchrony-proxy", "/other/synchrony-proxy"),
            "Synchrony at another path",
        ),
        (with("<Engine", "<Context path=\"/x\" docBase=\"../confluence\"/><Engine"), "element \"Context\""),
        (with("appBase=\"webapps\"", "appBase=\"..\""), "set appBase=\"webapps\""),
        (with("path=\"/confluence\"", ""), "set path=\"\""),
        (with("path=\"/confluence\"", "path=\"/confluence\" Path=\"\""), "with path and Path"),
        (connector("ADDRESS=\"10.0.0.1\" address=\"0.0.0.0\""), "with ADDRESS and address"),
        (connector("Port=\"80\""), "with port and Port"),
        (with("remoteIpHeader=\"x-forwarded-for\"", "remoteIpHeader=\"X-Real-IP\""), "\"X-Real-IP\""),
        (
            with("remoteIpHeader=\"x-forwarded-for\"", "remoteIpHeader=\"\""),
            "set remoteIpHeader=\"x-forwarded-for\"",
        ),
        (
            with("remoteIpHeader=\"x-forwarded-for\"", "remoteIpHeader=\"${h}\""),
            "set remoteIpHeader=\"x-forwarded-for\"",
        ),
        (with("path=\"/confluence\"", "path=\"${path}\""), "confluence.service.contextPath"),
        (
            with("<Context path=\"/", "<Connector port=\"1\"/><Context path=\"/"),
            "element \"Connector\" where Tomcat expects none",
        ),
        (
            with("<Server port", "<!DOCTYPE Server [<!ENTITY c SYSTEM \"c.xml\">]><Server port"),
            "has a DOCTYPE",
        ),
        (with("encoding=\"utf-8\"", "encoding=\"IBM037\""), "make it XML 1.0 in UTF-8"),
        (with("version=\"1.0\"", "version=\"1.1\""), "make it XML 1.0 in UTF-8"),
        (with("<Engine", "<Connector\u{85}port=\"1\"/><Engine"), "odd name"),
        (with("</Server>", ""), "not every element is closed"),
        (with("</Engine>", "</Motor>"), "is not well-formed XML"),
        (connector("maxThreads=\"&c;\""), "is not well-formed XML"),
        (connector("maxThreads=\"1\" maxThreads=\"2\""), "is not well-formed XML"),
        ("{{ .Values }}".into(), "has 0 connectors"),
        (String::new(), "has 0 connectors"),
        ("x".repeat(MAX_BYTES + 1), "is longer than 65536 bytes"),
    ];
    let said = rows.map(|(source, part)| (derive(&source).err(), part));
    let wrong: Vec<_> =
        said.iter().filter(|(why, part)| why.as_ref().is_none_or(|why| !why.contains(part))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_as_good_as_the_charts_is_taken() {
    for (old, new) in [
        ("appBase=\"webapps\"", ""),
        ("${confluence.context.path}/synchrony-proxy", "/confluence/synchrony-proxy"),
        ("remoteIpHeader=\"x-forwarded-for\"", "remoteIpHeader=\"X-Forwarded-For\""),
        ("remoteIpHeader=\"x-forwarded-for\"", ""),
    ] {
        assert_eq!(derive(&with(old, new)).map(drop), Ok(()), "{new}");
    }
}

#[test]
fn a_policy_takes_so_many_and_says_which_it_does_not() {
    let names: Vec<String> = (0..=MAX_SOURCES).map(|number| format!("map-{number}")).collect();
    let sources = names.iter().map(|name| (name.as_str(), CHART));
    let (judged, derived) = all(sources, Interception::Port, &BTreeMap::new());
    assert_eq!((judged.len(), derived.len()), (MAX_SOURCES + 1, MAX_SOURCES));
    let refused: Vec<&str> = judged
        .iter()
        .filter(|known| matches!(known.outcome, Outcome::Refused(_)))
        .map(|known| known.config_map.as_str())
        .collect();
    assert_eq!(refused, ["map-8"]);
}
