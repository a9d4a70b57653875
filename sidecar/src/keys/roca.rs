//! RSA keys of one maker's chips (ROCA, CVE-2017-15361) can be factored in hours to weeks. Their primes are remainders of
//! powers of 65537, which shows in the modulus: modulo every small prime it is a power of 65537 too.

/// Below these primes, what a random modulus passes by chance is less than one in a hundred million.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const GENERATOR: u32 = 65_537;

/// Whether the modulus (big-endian) has the mark of these keys.
pub fn is_marked(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        is_power_of_generator(rest, *prime)
    })
}

fn is_power_of_generator(number: u32, prime: u32) -> bool {
    let mut power = 1;
    // After `prime - 1` steps the powers repeat.
    for _ in 1..prime {
        if power == number {
            return true;
        }
        power = power * (GENERATOR % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::forge;

    #[test]
    fn powers_of_the_generator_are_marked_and_ordinary_keys_are_not() {
        assert!(is_marked(&[1]) && is_marked(&[1, 0, 1]));
        // 65537² = 0x100020001
        assert!(is_marked(&[1, 0, 2, 0, 1]));
        assert!(!is_marked(&[1, 0, 3]) && !is_marked(&[]) && !is_marked(&[167]));
        for key in [forge::rsa_key(), forge::other_rsa_key()] {
            assert!(!is_marked(&key.pkey.rsa().unwrap().n().to_vec()));
        }
    }
}
