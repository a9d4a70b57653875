//! Addresses of pages.

use std::str::FromStr;

use url::Url;

use super::{TextError, refuse};

/// Address of a page for people, `https` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageUrl(Url);

impl PageUrl {
    /// The URL. Without `<`, `>` and quotes, which are escaped in it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for PageUrl {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let Ok(url) = Url::parse(text) else { return refuse("is not a URL") };
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return refuse("must start with https:// and the host, without a user name");
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_public_and_cannot_end_the_link_in_which_it_stands() {
        let page: PageUrl = "https://wiki.example.com/display/OPS/Tokens?a=<\"b\">#d>".parse().unwrap();
        assert_eq!(page.as_str(), "https://wiki.example.com/display/OPS/Tokens?a=%3C%22b%22%3E#d%3E");
        for text in ["", "wiki", "http://wiki.example.com", "https://u:p@h", "javascript:alert(1)"] {
            assert!(text.parse::<PageUrl>().is_err(), "{text}");
        }
    }
}
