//! The program that libFuzzer drives: the variable `FUZZ_TARGET` names the target. One program for all of them, because
//! linking the engine takes longer than a short run. `../run.sh` builds and runs it.
#![no_main]
#![expect(unsafe_code, reason = "libFuzzer calls in C")]

use std::ffi::{c_char, c_int};
use std::sync::OnceLock;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 10] = [
    ("callback-address", fuzz_targets::callback_address),
    ("configuration", fuzz_targets::configuration),
    ("document", fuzz_targets::document),
    ("media", fuzz_targets::media),
    ("media-answer", fuzz_targets::media_answer),
    ("tiktok-answer", plugin_tiktok::fuzz::answer),
    ("tiktok-callback", plugin_tiktok::fuzz::callback),
    ("tiktok-signature", plugin_tiktok::fuzz::signature),
    ("tiktok-state", plugin_tiktok::fuzz::state),
    ("tiktok-webhook", plugin_tiktok::fuzz::webhook),
];

static TARGET: OnceLock<Target> = OnceLock::new();

/// Called once, before all inputs.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerInitialize(_count: *mut c_int, _words: *mut *mut *mut c_char) -> c_int {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some((_, target)) = TARGETS.into_iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("FUZZ_TARGET names a target: {}", names.join(", "));
        std::process::exit(2);
    };
    let _ = TARGET.set(target);
    // A panic of any thread is a finding; libFuzzer sees the abort and keeps the input.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    0
}

/// Called with each input.
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> c_int {
    // SAFETY: libFuzzer passes `size` bytes, which live until this returns; for none the pointer may be null.
    let input = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } };
    if let Some(target) = TARGET.get() {
        target(input);
    }
    0
}
