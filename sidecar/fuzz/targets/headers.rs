//! Gives libFuzzer the check of `headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restward_fuzz::headers::check(data));
