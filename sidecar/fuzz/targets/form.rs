//! Gives libFuzzer the check of `form`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| restward_fuzz::form::check(data));
