//! C ABI of Social Channel.
