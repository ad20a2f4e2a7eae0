//! Output: text and bytes that the caller owns.

use std::ffi::{CString, c_char};
use std::ptr;

use serde::Serialize;
use social_channel::{Error, Result};

use crate::argument::null;
use crate::border::enter_quietly;

/// The destination of a result, checked before any work is done.
#[derive(Clone, Copy)]
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// `pointer` is NULL or may be written, as the header demands.
    pub(crate) unsafe fn new(name: &str, pointer: *mut T) -> Result<Self> {
        if pointer.is_null() { Err(null(name)) } else { Ok(Out(pointer)) }
    }

    pub(crate) fn write(self, value: T) {
        // SAFETY: not NULL, and the one who made this promised that it may be written until the call returns.
        unsafe { self.0.write(value) }
    }
}

/// Text to be freed with socialchannel_string_free. A NUL inside becomes U+FFFD.
pub(crate) fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\u{fffd}");
        CString::new(text).unwrap_or_default()
    })
}

/// A result as JSON. JSON escapes every NUL.
pub(crate) fn json(value: &impl Serialize) -> Result<CString> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::internal("a result cannot be written as JSON").with_source(error))?;
    Ok(c_string(text))
}

impl Out<*mut c_char> {
    /// Writes a result as JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<()> {
        self.write(json(value)?.into_raw());
        Ok(())
    }
}

/// Bytes to be freed with socialchannel_bytes_free. A terminating NUL follows them, which their length does not
/// include.
pub(crate) fn c_bytes(mut bytes: Vec<u8>) -> (*mut u8, usize) {
    let length = bytes.len();
    bytes.push(0);
    (Box::into_raw(bytes.into_boxed_slice()).cast(), length)
}

/// Frees text that a function of this library returned as `char *`. NULL does nothing. Free each text once;
/// freeing it twice, or freeing another pointer, is undefined, as with free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_string_free(string: *mut c_char) {
    if !string.is_null() {
        // SAFETY: the caller promised that it came from `CString::into_raw` and is freed only now.
        enter_quietly((), || drop(unsafe { CString::from_raw(string) }));
    }
}

/// Frees bytes that a function of this library returned, with their returned length. NULL does nothing. Free
/// bytes once; freeing them twice, or with another length, is undefined.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_bytes_free(bytes: *mut u8, bytes_len: usize) {
    if !bytes.is_null() {
        let whole = ptr::slice_from_raw_parts_mut(bytes, bytes_len.saturating_add(1));
        // SAFETY: the caller promised that both came from `c_bytes`, whose box is one byte longer.
        enter_quietly((), || drop(unsafe { Box::from_raw(whole) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_inside_of_text_is_shown() {
        assert_eq!(c_string("a\0b".to_owned()).to_str().unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn bytes_are_followed_by_a_nul_and_freed_with_their_length() {
        for bytes in [Vec::new(), b"abc".to_vec()] {
            let expected = bytes.clone();
            let (pointer, length) = c_bytes(bytes);
            // SAFETY: as `c_bytes` says.
            let seen = unsafe { std::slice::from_raw_parts(pointer, length + 1) };
            assert_eq!(seen.split_last().unwrap(), (&0, expected.as_slice()));
            // SAFETY: freed once, with its length.
            unsafe { socialchannel_bytes_free(pointer, length) };
        }
        // SAFETY: NULL does nothing.
        unsafe { socialchannel_bytes_free(ptr::null_mut(), 5) };
    }
}
