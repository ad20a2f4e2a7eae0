#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| plugin_tiktok::fuzz::webhook(input));
