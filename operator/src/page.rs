//! The page in the browser: policies and what to do about them, and what each check says about a token that is pasted.
//!
//! It listens on the pod's loopback alone: whoever reaches it came by `kubectl port-forward`, through the API server, which
//! encrypts and asks for the right to. Beyond that each request needs a ServiceAccount's token that was made for this page
//! (audience [`restward_crds::names::PAGE_AUDIENCE`], so it is good for nothing else), and shows the policies that its owner may `get`.
//! HTML is made here, and works without scripts; none is sent.
//!
//! - [`guard`]: what a request must be, whoever sends it: by which name, from which page; and what browsers are told
//! - [`session`]: the cookie, which is the visitor's token, sealed; nothing is kept here
//! - [`review`] `[io]`: who a visitor is and what they may see, by the API server
//! - [`gather`] `[io]`: what is shown: policies, and what their sidecars answer
//! - [`serve`] `[io]`: requests in, pages out
//! - [`view`]: HTML, made of it

mod gather;
mod guard;
mod review;
mod serve;
mod session;
#[cfg(test)]
mod tests;
mod view;

use std::net::SocketAddr;

pub use serve::{Page, serve};

/// For the command line: an address that only the pod itself reaches.
///
/// # Errors
/// Others would reach it.
pub fn loopback_only(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "is no address such as 127.0.0.1:8081".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("must be a loopback address: the page has no TLS of its own, and port-forwards reach it there"
        .to_owned())
}
