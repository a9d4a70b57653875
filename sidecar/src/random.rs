//! Random names.

use std::fmt::Write as _;

/// 128 random bits as 32 hexadecimal digits: unique over replicas and restarts. `None`: the system gives no randomness.
///
/// From the kernel and not from aws-lc, whose generator measures the processor's jitter for 0.1 s before its first byte:
/// names are needed before the first request can be answered.
pub fn hex_128() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_32_digits_and_never_the_same() {
        let (one, other) = (hex_128().unwrap(), hex_128().unwrap());
        assert!(one.len() == 32 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
        assert_ne!(one, other);
    }
}
