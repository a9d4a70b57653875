//! Gives libFuzzer the check of `config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restward_fuzz::config::check(data));
