//! What clients may take up of a sidecar: sizes, numbers and times.

use std::time::Duration;

use http::Method;

/// The bounds of the data port. No policy changes them: they keep one sidecar alive, whoever may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a request's head. Large tokens (many roles) must get in, although Tomcat itself takes 8 KiB: they are
    /// replaced before it.
    pub head_bytes: usize,
    /// Header lines of a request, as many as Tomcat takes (`maxHeaderCount`).
    pub headers: usize,
    /// For a whole head, so that nobody holds a connection by dripping; as well as without a request between two.
    pub head_time: Duration,
    /// In which a client must send something of its body, and take something of an answer.
    pub idle_time: Duration,
    /// Connections at once, tunnels among them; whoever is beyond waits in the kernel's queue.
    pub connections: usize,
    /// Requests at once, until their answers have been taken; a quarter is for open paths alone, and an eighth at most
    /// may be waiting for bodies of strangers.
    pub in_flight: usize,
    /// How long Confluence may take for a read whose client has gone: there is nothing to finish but its record.
    pub read_without_client: Duration,
    /// The same for everything else. What becomes of a write is known only when it is answered.
    pub write_without_client: Duration,
}

impl Bounds {
    /// How long Confluence may take for a request of this method whose client has gone.
    pub fn without_client(&self, method: &Method) -> Duration {
        if method.is_safe() { self.read_without_client } else { self.write_without_client }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            headers: 100,
            head_time: Duration::from_secs(30),
            // As common ingresses have it; Tomcat itself waits for 20 s (`connectionTimeout` of the image).
            idle_time: Duration::from_mins(1),
            // As many as Tomcat's own connector accepts by default.
            connections: 8192,
            // Tomcat works on some hundred at most, the others would wait there.
            in_flight: 2048,
            read_without_client: Duration::from_secs(10),
            // Exports, copies and deletions of large spaces take minutes.
            write_without_client: Duration::from_mins(15),
        }
    }
}
