//! Gives libFuzzer the check of `token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restward_fuzz::token::check(data));
