//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // Threads of a host that was just freed end in their own time, and the signal handler for providers' traps
        // stays: the library's code must stay too, whatever calls `dlclose`.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // C functions of crates below (crc-fast's) are nobody's interface.
        println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs=ALL");
    }
}
