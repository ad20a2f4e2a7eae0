//! Secrets as types: wiped when dropped, and printed as `****`.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that must not appear in logs, errors or debug output.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        SecretBytes(Zeroizing::new(bytes))
    }

    /// The bytes themselves. The caller is responsible for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Text that must not appear in logs, errors or debug output.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of the text.
    pub fn new(text: impl Into<String>) -> Self {
        SecretText(Zeroizing::new(text.into()))
    }

    /// The text itself. The caller is responsible for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Every log filter should end with this. At `trace`, wasmtime's own bindings print each request of the
/// provider, including credentials in its URL and headers; nothing else logs secrets.
pub const LOG_LIMITS: &str = "wasmtime_wasi_http=info,wasmtime_wasi=info";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", SecretBytes::new(b"act.123".to_vec())), "****");
        assert_eq!(format!("{:?}", SecretText::new("act.123")), "****");
    }
}
