//! Rings when a simulated world asks the system for entropy, or for the time.
//!
//! The test binary defines `getrandom`, `clock_gettime` and `syscall` itself, so that every call of them
//! in this process comes here first and is counted. Then it runs a whole simulated world: names, TLS,
//! HTTP, keys, timers.
#![cfg_attr(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(unsafe_code, reason = "symbols of the C library can be replaced in no other way")
)]

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod interposed;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod watched;

fn main() {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    watched::main();
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    println!("entropy alarm: skipped, it replaces symbols of Linux on x86-64 and aarch64 only");
}
