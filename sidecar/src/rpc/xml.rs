//! XML-RPC and SOAP. Only elements, attributes and text are read; whatever else XML knows is refused, for a call could hide in
//! it from this parser or from Confluence's.

use quick_xml::{
    Reader,
    events::{BytesDecl, BytesRef, BytesStart, Event},
};
use restward_crds::reason::Reason;

use super::is_login;

/// Whether a method is named that is a login: in `methodName` of XML-RPC, or as an element of SOAP, at any depth, as calls
/// may refer to elements elsewhere.
pub(super) fn has_login(text: &str) -> Result<bool, Reason> {
    let mut reader = Reader::from_str(text);
    let mut document = Document::default();
    let mut is_first = true;
    loop {
        match reader.read_event().map_err(|_| Reason::RpcUnreadable)? {
            Event::Eof => break,
            Event::Start(element) => document.open(&element, false)?,
            Event::Empty(element) => document.open(&element, true)?,
            Event::End(_) => document.close()?,
            Event::Text(text) => document.text(&text)?,
            Event::GeneralRef(reference) => document.reference(&reference)?,
            Event::Decl(declaration) if is_first => check(&declaration)?,
            Event::Decl(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(Reason::RpcUnreadable);
            }
        }
        is_first = false;
    }
    let is_whole = document.has_root && document.depth == 0;
    if is_whole { Ok(document.has_login) } else { Err(Reason::RpcUnreadable) }
}

fn check(declaration: &BytesDecl<'_>) -> Result<(), Reason> {
    let encoding = declaration.encoding().transpose().map_err(|_| Reason::RpcUnreadable)?;
    let encoding = encoding.unwrap_or_else(|| "utf-8".into()).to_ascii_lowercase();
    match (declaration.version().as_deref(), encoding.as_str()) {
        (Ok("1.0"), "utf-8" | "us-ascii") => Ok(()),
        (Ok("1.0"), _) => Err(Reason::FormCharset),
        _ => Err(Reason::RpcUnreadable),
    }
}

#[derive(Default)]
struct Document {
    depth: usize,
    has_root: bool,
    /// The name in the `methodName` that is open.
    method: Option<String>,
    has_login: bool,
}

impl Document {
    fn open(&mut self, element: &BytesStart<'_>, is_empty: bool) -> Result<(), Reason> {
        let name = element.name().0;
        let is_second_root = self.depth == 0 && self.has_root;
        if is_second_root
            || self.method.is_some()
            || !is_plain(name)
            || element.attributes_raw().contains(['<', '>'])
        {
            return Err(Reason::RpcUnreadable);
        }
        self.has_root = true;
        self.has_login |= is_login(name)?;
        if !is_empty {
            self.depth += 1;
            let local = name.rsplit(':').next().unwrap_or(name);
            self.method = local.eq_ignore_ascii_case("methodname").then(String::new);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Reason> {
        self.depth = self.depth.checked_sub(1).ok_or(Reason::RpcUnreadable)?;
        if let Some(method) = self.method.take() {
            self.has_login |= is_login(&method)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Reason> {
        match &mut self.method {
            Some(method) => method.push_str(text),
            None if self.depth == 0 && !text.trim().is_empty() => return Err(Reason::RpcUnreadable),
            None => {}
        }
        Ok(())
    }

    /// Without a DOCTYPE there are only these.
    fn reference(&self, reference: &BytesRef<'_>) -> Result<(), Reason> {
        let is_known =
            reference.is_char_ref() || matches!(&**reference, "lt" | "gt" | "amp" | "quot" | "apos");
        let is_content = self.depth > 0 && self.method.is_none();
        if is_known && is_content { Ok(()) } else { Err(Reason::RpcUnreadable) }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}
