//! Social Channel host.
