//! Provider toolkit.
