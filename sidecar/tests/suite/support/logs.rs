//! Everything that is logged in this process, at every level.

use std::sync::{LazyLock, Once};

use tracing::level_filters::LevelFilter;

use super::Captured;

static LOGS: LazyLock<Captured> = LazyLock::new(Captured::default);

/// Starts capturing, once; also what `main` does once.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| LOGS.clone())
            .init();
    });
}

pub(crate) fn text() -> String {
    LOGS.text()
}
