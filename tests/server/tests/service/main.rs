//! The service: every route, good and bad, without a socket; then over a port and over a Unix socket.
//!
//! One program, because linking the engine takes longer than all of these tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod access;
mod checks;
mod crossposting;
mod domains;
mod edge;
mod events;
mod fairness;
mod foreign;
mod imports;
mod media;
mod nginx;
mod numbers;
mod outbox;
mod outside;
mod people;
mod pressing;
mod providers;
mod pulling;
mod resumable;
mod routes;
mod sockets;
mod story;
mod tenants;
mod words;
