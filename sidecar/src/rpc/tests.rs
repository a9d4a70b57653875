use http::header::{CONTENT_ENCODING as ENCODING, CONTENT_TYPE as TYPE, HeaderName};
use proptest::prelude::*;

use super::*;

const YES: Result<bool, Reason> = Ok(true);
const NO: Result<bool, Reason> = Ok(false);
const UNREADABLE: Result<bool, Reason> = Err(Reason::RpcUnreadable);
const CHARSET: Result<bool, Reason> = Err(Reason::FormCharset);

fn at(path: &str, body: impl AsRef<[u8]>) -> Result<bool, Reason> {
    has_login(&[path.to_owned()], body.as_ref())
}

fn xml(body: impl AsRef<[u8]>) -> Result<bool, Reason> {
    at("/rpc/xmlrpc", body)
}

fn json(body: &str) -> Result<bool, Reason> {
    at("/rpc/json-rpc/confluenceservice-v2", body)
}

fn method(name: &str) -> String {
    format!("<methodCall><methodName>{name}</methodName><params/></methodCall>")
}

#[test]
fn the_login_of_xml_rpc_is_found_by_its_last_part() {
    for (name, want) in [
        ("confluence2.login", YES),
        ("confluence1.login", YES),
        ("login", YES),
        ("other.plugin.login", YES),
        ("CONFLUENCE2.Login", YES),
        ("confluence2.login ", YES),
        ("\n  confluence2 . login\t", YES),
        ("confluence2:login", YES),
        ("confluence2.getPage", NO),
        ("confluence2.loginPage", NO),
        ("confluence2.logout", NO),
        ("", NO),
        ("system.multicall", UNREADABLE),
        ("confluence2.log\u{131}n", UNREADABLE),
        ("confluence2.&#108;ogin", UNREADABLE),
        ("confluence2.&l;ogin", UNREADABLE),
        ("confluence2.<![CDATA[login]]>", UNREADABLE),
        ("<![CDATA[confluence2.login]]>", UNREADABLE),
        ("confluence2.<!-- -->login", UNREADABLE),
        ("confluence2.<?x?>login", UNREADABLE),
        ("confluence2.<b/>login", UNREADABLE),
        ("<string>confluence2.login</string>", UNREADABLE),
    ] {
        assert_eq!(xml(method(name)), want, "{name}");
    }
    let login = method("confluence2.login");
    for body in [
        login.clone(),
        format!("\u{feff}{login}"),
        format!("<?xml version=\"1.0\" encoding='UTF-8'?>\n{login}\n"),
        format!("<?xml version='1.0'?>{login}"),
        login.replace("methodName", "x:methodName"),
        login.replace("methodName", "METHODNAME"),
        login.replace("<methodName>", "<methodName xmlns=\"x\" a='b'  >"),
        // Which of several counts is the other parser's affair.
        login.replace("<params/>", "<methodName>confluence2.getPage</methodName>"),
        login.replace("<methodName>", "<methodName>confluence2.getPage</methodName><methodName>"),
        login.replace("<methodCall>", "<a><b><methodCall>").replace("</methodCall>", "</methodCall></b></a>"),
    ] {
        assert_eq!(xml(&body), YES, "{body}");
    }
    let page = "<methodCall><methodName>confluence2.storePage</methodName><params><param><value>&lt;methodName&gt;\
        confluence2.login&lt;/methodName&gt; &#108; ]] &amp; j\u{fc}rgen login</value></param></params></methodCall>";
    assert_eq!(xml(page), NO);
}

#[test]
fn the_login_of_soap_is_an_element_of_this_name_anywhere() {
    let envelope = |operation: &str| {
        format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>{operation}\
             </soapenv:Body></soapenv:Envelope>"
        )
    };
    for (operation, want) in [
        ("<login><in0>alice</in0><in1>x</in1></login>", YES),
        ("<ns1:login xmlns:ns1=\"urn:x\"/>", YES),
        ("<LogIn/>", YES),
        ("<getPage/><ns1:login/>", YES),
        ("<a href=\"#1\"/><multiRef id=\"1\"><login/></multiRef>", YES),
        ("<getPage><in0>login</in0></getPage>", NO),
        ("<getPage in0=\"login\"/>", NO),
        ("<getPage in0=\"<login/>\"/>", UNREADABLE),
        ("<getPage in0='>'/>", UNREADABLE),
        ("<l\u{f6}gin/>", UNREADABLE),
        ("<login", UNREADABLE),
        ("</soapenv:Body><login/><soapenv:Body>", YES),
    ] {
        assert_eq!(at("/plugins/servlet/soap-axis1/x", envelope(operation)), want, "{operation}");
    }
}

#[test]
fn xml_that_may_be_read_in_another_way_is_not_read() {
    let get = method("confluence2.getPage");
    let login = method("confluence2.login");
    assert_eq!(xml(&get), NO);
    for body in [
        format!("<!DOCTYPE x [<!ENTITY l 'login'>]>{get}"),
        format!("<!DOCTYPE x SYSTEM 'http://evil.example/x.dtd'>{get}"),
        format!("<!-- {login} -->{get}"),
        format!("{get}<!-- -->"),
        format!("<?xml-stylesheet href='x'?>{get}"),
        format!("<?xml version='1.1'?>{get}"),
        format!(" <?xml version='1.0'?>{get}"),
        format!("<?xml version='1.0'?><?xml version='1.0'?>{get}"),
        format!("{get}{login}"),
        format!("x{get}"),
        format!("{get}x"),
        format!("&#32;{get}"),
        get.replace("<params/>", "<![CDATA[<methodName>confluence2.login</methodName>]]>"),
        get.replace("</methodCall>", ""),
        get.replace("</methodName>", "</methodname>"),
        get.replace("<params/>", "</params>"),
        get.replace("<params/>", "<params>&external;</params>"),
        get.replace("<params/>", "<params>&</params>"),
        get.replace("<params/>", "< login/>"),
        get.replace("<params/>", "<params it's/>"),
        format!("{get}</x>"),
        "<".to_owned(),
        "<>".to_owned(),
        "login".to_owned(),
        "--b\r\nContent-Type: text/xml\r\n\r\n<login/>\r\n--b--".to_owned(),
        // JSON, where another API listens.
        "{\"method\":\"getPage\"}".to_owned(),
        format!("[\"{get}\"]"),
    ] {
        assert_eq!(xml(&body), UNREADABLE, "{body}");
    }
    for body in [
        format!("<?xml version='1.0' encoding='ibm037'?>{get}").into_bytes(),
        format!("<?xml version='1.0' encoding='utf-16'?>{get}").into_bytes(),
        get.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        get.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        [b"\xff\xfe".to_vec(), get.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
        [get.as_bytes(), b"\xfc"].concat(),
    ] {
        assert_eq!(xml(&body), CHARSET, "{}", String::from_utf8_lossy(&body));
    }
    assert_eq!(xml(""), NO);
    assert_eq!(xml(" \r\n"), NO);
}

#[test]
fn the_login_of_json_rpc_is_found_alone_and_among_others() {
    for (body, want) in [
        (r#"{"jsonrpc":"2.0","method":"login","params":["alice","x"],"id":1}"#, YES),
        (r#" {"method":"Confluence.LOGIN"}"#, YES),
        ("\u{feff}{\"method\":\"login\"}", YES),
        (r#"{"m\u0065thod":"l\u006fgin"}"#, YES),
        (r#"{"METHOD":"login"}"#, YES),
        (r#"{"method":"getPage","Method":"login"}"#, YES),
        (r#"[{"method":"getPage"},{"method":"login"}]"#, YES),
        (r#"{"method":"getPage","params":[{"method":"x"},"login"]}"#, NO),
        (r#"["alice","login"]"#, NO),
        (r"[]", NO),
        (r"{}", NO),
        (r#"{"method":"getPage","method":"login"}"#, UNREADABLE),
        (r#"{"method":"login","method":"getPage"}"#, UNREADABLE),
        (r#"{"method":"getPage","m\u0065thod":"login"}"#, UNREADABLE),
        (r#"{"method":["login"]}"#, UNREADABLE),
        (r#"[{"method":null},{"method":"getPage"}]"#, UNREADABLE),
        (r#"{"method":"log\u0131n"}"#, UNREADABLE),
        (r"{'method':'login'}", UNREADABLE),
        (r"{method:'login'}", UNREADABLE),
        (r#"/* */{"method":"login"}"#, UNREADABLE),
        (r#"{"method":"getPage"}{"method":"login"}"#, UNREADABLE),
        (r#"{"method":"getPage",}"#, UNREADABLE),
        (r#""login""#, UNREADABLE),
        ("null", UNREADABLE),
        // XML, where another API listens.
        ("<methodCall><methodName>confluence2.login</methodName></methodCall>", YES),
    ] {
        assert_eq!(json(body), want, "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(json(&deep), UNREADABLE);
}

#[test]
fn a_body_is_json_only_in_every_reading_of_its_path() {
    let body = br#"{"method":"getPage"}"#;
    let paths = |list: &[&str]| -> Vec<String> { list.iter().map(|path| (*path).to_owned()).collect() };
    assert_eq!(has_login(&paths(&["/rpc/json-rpc", "/rpc/json-rpc/x"]), body), NO);
    assert_eq!(has_login(&paths(&["/rpc/json-rpc/x", "/rpc/xmlrpc"]), body), UNREADABLE);
    assert_eq!(has_login(&paths(&["/rpc/json-rpcs"]), body), UNREADABLE);
}

#[test]
fn the_head_may_name_the_method() {
    let axis = "/plugins/servlet/soap-axis1/confluenceservice-v2";
    for (path, query, want) in [
        ("/rpc/json-rpc/confluenceservice-v2/login", None, YES),
        ("/rpc/json-rpc/confluenceservice-v2/Login/", None, YES),
        ("/rpc/json-rpc/confluenceservice-v2/login.json", None, YES),
        ("/rpc/json-rpc/confluenceservice-v2/getSpaces", None, NO),
        ("/rpc/json-rpc/confluenceservice-v2", Some("os_authType=basic"), NO),
        (axis, Some("wsdl"), NO),
        (axis, Some("method=login&in0=alice&in1=x"), YES),
        (axis, Some("METHOD=Login"), YES),
        (axis, Some("a=b&m%65thod=l%6fgin"), YES),
        (axis, Some("method=getPage"), UNREADABLE),
        (axis, Some("method=x%3E%3Clogin"), UNREADABLE),
        (axis, Some("method"), UNREADABLE),
        (axis, Some("methods=login"), NO),
    ] {
        assert_eq!(names_login(&[path.to_owned()], query), want, "{path} {query:?}");
    }
}

#[test]
fn bodies_of_other_types_and_charsets_are_not_read() {
    let check = |list: &[(HeaderName, &str)]| {
        let pairs = list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        check_label(&pairs.collect())
    };
    for plain in
        ["text/xml", "Text/XML; charset=\"UTF-8\"", "application/json", "application/soap+xml;action=x"]
    {
        assert_eq!(check(&[(TYPE, plain)]), Ok(()), "{plain}");
    }
    assert_eq!(check(&[]), Ok(()));
    for other in
        ["application/x-www-form-urlencoded", "multipart/related; boundary=b", "multipart/form-data", "x"]
    {
        assert_eq!(check(&[(TYPE, other)]), Err(Reason::RpcUnreadable), "{other}");
    }
    for labelled in [
        "text/xml; charset=utf-16",
        "application/json;charset=ibm037",
        "text/xml;charset=utf-8;charset=utf-7",
    ] {
        assert_eq!(check(&[(TYPE, labelled)]), Err(Reason::FormCharset), "{labelled}");
    }
    assert_eq!(check(&[(TYPE, "text/xml"), (ENCODING, "gzip")]), Err(Reason::FormCharset));
}

/// Whatever is put into a login, in whichever place, does not make another call of it.
#[test]
fn no_dress_hides_a_login() {
    let login = format!("<?xml version='1.0'?>{}", method("confluence2.login"));
    let name = login.find("confluence2").unwrap()..=login.find("</methodName").unwrap();
    for dress in [
        "<!---->",
        "<![CDATA[]]>",
        "<![CDATA[x",
        "]]>",
        "<?x?>",
        "<x/>",
        "<x>",
        "</x>",
        "&l;",
        "&#108;",
        "\"",
        "'",
        "<",
        ">",
        "\0",
        "\u{feff}",
        "\u{131}",
        "<!DOCTYPE x>",
        "<!--",
        "-->",
        "--",
    ] {
        // These are characters of a name, which is another one then.
        let may_be_named = dress.chars().all(|c| matches!(c, '"' | '\'' | '>' | '-' | ']'));
        for place in 0..=login.len() {
            let body = format!("{}{dress}{}", &login[..place], &login[place..]);
            let is_other_name = may_be_named && name.contains(&place);
            assert!(is_other_name || xml(&body) != NO, "{body}");
        }
    }
}

proptest! {
    /// Whatever comes, it ends.
    #[test]
    fn any_bytes_are_judged(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = xml(&body);
        let _ = at("/rpc/json-rpc", &body);
    }
}
