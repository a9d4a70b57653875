//! The page over HTTP, between a scripted API server and a scripted sidecar.

#[cfg(feature = "browser-tests")]
mod browser;
mod requests;
mod world;

#[test]
fn only_the_pod_itself_is_listened_to() {
    assert!(super::loopback_only("127.0.0.1:8081").is_ok() && super::loopback_only("[::1]:8081").is_ok());
    for address in ["0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081", "8081", "localhost:8081"] {
        assert!(super::loopback_only(address).is_err(), "{address}");
    }
}
