//! HTTP API and web pages of Social Channel.
