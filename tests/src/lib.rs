//! What the demo and the end-to-end suites have in common. They see the product as its users do: through `kubectl`,
//! through HTTP, and through what status says. Nothing of the operator or the sidecar is linked in.
//!
//! - [`argo_cd`]: Argo CD, and what it makes of a policy
//! - [`caller`]: somebody with a token who never stops calling
//! - [`clients`]: clients that people really use
//! - [`collector`]: where sidecars send their traces
//! - [`command`]: running `kubectl` and other programs
//! - [`handbook`]: a second wiki, of two pods under a Deployment
//! - [`release`]: changing the operator's Helm release
//! - [`wait`]: waiting for a condition, never for a time
//! - [`world`]: where things are in the test cluster, [`reach`]: the way to them
//! - [`keycloak`]: getting tokens as clients do
//! - [`wiki`]: calling Confluence through its Service
//! - [`policy`]: applying, patching and reading the policy
//! - [`table`]: what was expected and what was seen
//! - [`way`]: opening a way around the sidecar
//! - [`realm`]: changing the realm as its administrator does
//! - [`removal`]: taking the policy away
//! - [`guide`]: the flow of the original guide, section by section
//! - [`unbypassable`]: every known way round the sidecar, tried
//! - [`pages`]: the project's pages, for tests that hold them against what is true
//! - [`chaos`]: what goes wrong with the operator and the API server

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

pub mod argo_cd;
pub mod caller;
pub mod chaos;
pub mod clients;
pub mod collector;
pub mod command;
pub mod guide;
pub mod handbook;
pub mod holder;
pub mod keycloak;
pub mod pages;
pub mod policy;
pub mod reach;
pub mod realm;
pub mod release;
pub mod removal;
pub mod table;
pub mod unbypassable;
pub mod wait;
pub mod way;
pub mod wiki;
pub mod world;
