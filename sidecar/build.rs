//! Refuses an OpenSSL that was built without threads, in which the sidecar's threads would damage memory.

use std::{env, fs, path::Path};

/// OpenSSL's word for it, in the header that it writes of its configuration.
const WITH_THREADS: &str = "define OPENSSL_THREADS";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(reason) = has_threads() {
        println!("cargo::error={reason}");
    }
}

fn has_threads() -> Result<(), String> {
    let include =
        env::var("DEP_OPENSSL_INCLUDE").map_err(|_| "openssl-sys does not say where its headers are")?;
    let header = Path::new(&include).join("openssl/configuration.h");
    let text = fs::read_to_string(&header).map_err(|error| format!("{}: {error}", header.display()))?;
    if text.contains(WITH_THREADS) {
        return Ok(());
    }
    Err(format!(
        "the OpenSSL whose headers are in {include} was built without threads, which sidecar/perl-for-openssl prevents; it was not \
         run (.cargo/config.toml names it, and cargo reads that in this repository only), or the build is from before it: \
         remove the target directory"
    ))
}
