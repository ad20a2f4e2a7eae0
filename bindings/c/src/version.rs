//! The version of the library.

use std::ffi::c_char;

/// The version of this header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub enum socialchannel_version {
    /// Major.
    Major = 0,
    /// Minor.
    Minor = 1,
    /// Combined: major * 1000000 + minor * 1000 + patch, as socialchannel_version_number returns it.
    Number = 1_000,
}

/// The combined number of the loaded library. A program should check that it is not less than
/// SOCIALCHANNEL_VERSION_NUMBER of the header it was compiled with, and that the major version (before 1.0: the
/// minor version) is the same.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_version_number() -> u32 {
    socialchannel_version::Number as u32
}

/// The version of the loaded library, for example `0.1.0`. Valid until the process ends; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_version_text() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_package() {
        let parts: Vec<u32> =
            env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
        let [major, minor, patch] = parts.as_slice() else { panic!("three parts") };
        assert_eq!(socialchannel_version_number(), major * 1_000_000 + minor * 1_000 + patch);
        assert_eq!(socialchannel_version::Major as u32, *major);
        assert_eq!(socialchannel_version::Minor as u32, *minor);
    }
}
