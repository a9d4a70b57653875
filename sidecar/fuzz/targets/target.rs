//! Gives libFuzzer the check of `target`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restward_fuzz::target::check(data));
