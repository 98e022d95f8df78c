//! The system's functions, counted.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ARMED: AtomicBool = AtomicBool::new(false);
static ENTROPY: AtomicU64 = AtomicU64::new(0);
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// How often the system was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// For entropy.
    pub(crate) entropy: u64,
    /// For the time.
    pub(crate) clock: u64,
}

/// Runs `f` and counts what this process asks the system for meanwhile.
pub(crate) fn counting<T>(f: impl FnOnce() -> T) -> (T, Calls) {
    let now = || (ENTROPY.load(Ordering::Relaxed), CLOCK.load(Ordering::Relaxed));
    let before = now();
    ARMED.store(true, Ordering::Relaxed);
    let value = f();
    ARMED.store(false, Ordering::Relaxed);
    let after = now();
    (value, Calls { entropy: after.0 - before.0, clock: after.1 - before.1 })
}

fn count(counter: &AtomicU64) {
    if ARMED.load(Ordering::Relaxed) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(super) const GETRANDOM: i64 = 318;
    pub(super) const CLOCK_GETTIME: i64 = 228;
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub(super) const GETRANDOM: i64 = 278;
    pub(super) const CLOCK_GETTIME: i64 = 113;
}

/// A system call; a negative result is an error's number.
#[cfg(target_arch = "x86_64")]
unsafe fn kernel(number: c_long, args: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the registers are those of the kernel's calling convention; what the arguments point to is
    // the caller's affair.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call; a negative result is an error's number.
#[cfg(target_arch = "aarch64")]
unsafe fn kernel(number: c_long, args: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5],
            options(nostack),
        );
    }
    result
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

/// A system call with its result in the form that the C library gives it.
unsafe fn as_libc(number: c_long, args: [c_long; 6]) -> c_long {
    // SAFETY: as the caller's.
    let result = unsafe { kernel(number, args) };
    if (-4095..0).contains(&result) {
        // SAFETY: the C library's own thread-local.
        unsafe { *__errno_location() = -result as c_int };
        return -1;
    }
    result
}

/// The C library's `getrandom`.
///
/// # Safety
/// As the original: `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    count(&ENTROPY);
    // SAFETY: as the caller's.
    let result = unsafe {
        as_libc(numbers::GETRANDOM, [buffer as c_long, length as c_long, c_long::from(flags), 0, 0, 0])
    };
    result as isize
}

/// The C library's `getentropy`.
///
/// # Safety
/// As the original: `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    // SAFETY: as the caller's. At most 256 bytes are never given in part.
    if unsafe { getrandom(buffer, length, 0) } == length as isize { 0 } else { -1 }
}

/// The C library's `clock_gettime`.
///
/// # Safety
/// As the original: `time` points to a `timespec`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut c_void) -> c_int {
    count(&CLOCK);
    // SAFETY: as the caller's.
    let result =
        unsafe { as_libc(numbers::CLOCK_GETTIME, [c_long::from(clock), time as c_long, 0, 0, 0, 0]) };
    result as c_int
}

/// The C library's `syscall`, by which some crates go around the functions above. Variadic in C; a callee
/// with six more arguments finds them where a variadic one does.
///
/// # Safety
/// As the original.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    match number {
        numbers::GETRANDOM => count(&ENTROPY),
        numbers::CLOCK_GETTIME => count(&CLOCK),
        _ => {}
    }
    // SAFETY: as the caller's.
    unsafe { as_libc(number, [a, b, c, d, e, f]) }
}
