//! The state of the floating-point unit: a host may have set it, conversions need the default.

/// What the host had set, where that isn't the default.
#[derive(Clone, Copy)]
pub(super) struct Host(Option<Control>);

#[cfg(target_arch = "x86_64")]
type Control = u32;
#[cfg(target_arch = "aarch64")]
type Control = u64;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Control = u32;

impl Host {
    /// Sets the default: rounds to nearest, keeps subnormals, traps nothing.
    #[inline]
    pub(super) fn set_aside() -> Host {
        let host = read();
        // Writing costs tens of nanoseconds.
        if host & !STICKY == DEFAULT {
            return Host(None);
        }
        write(DEFAULT);
        Host(Some(host))
    }

    /// Sets it as it was.
    #[inline]
    pub(super) fn restore(self) {
        if let Host(Some(host)) = self {
            write(host);
        }
    }
}

/// MXCSR after a reset.
#[cfg(target_arch = "x86_64")]
const DEFAULT: Control = 0x1F80;

/// Which exceptions there were.
#[cfg(target_arch = "x86_64")]
const STICKY: Control = 0x3F;

#[cfg(target_arch = "x86_64")]
#[inline]
fn read() -> Control {
    let mut control: Control = 0;
    // SAFETY: writes 4 bytes to a local.
    unsafe {
        core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags));
    }
    control
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn write(control: Control) {
    // SAFETY: no reserved bit is set: the value is the default or was read. Only conversions run
    // under another value than the host's, and it is the one that Rust expects.
    unsafe {
        core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags));
    }
}

#[cfg(target_arch = "aarch64")]
const DEFAULT: Control = 0;

#[cfg(target_arch = "aarch64")]
const STICKY: Control = 0;

#[cfg(target_arch = "aarch64")]
#[inline]
fn read() -> Control {
    let control: Control;
    // SAFETY: reads a register that every program may.
    unsafe {
        core::arch::asm!("mrs {}, fpcr", out(reg) control, options(nostack, preserves_flags));
    }
    control
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn write(control: Control) {
    // SAFETY: the default or what was read. Only conversions run under another value than the
    // host's, and it is the one that Rust expects.
    unsafe {
        core::arch::asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const DEFAULT: Control = 0;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const STICKY: Control = 0;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn read() -> Control {
    DEFAULT
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn write(_control: Control) {}
