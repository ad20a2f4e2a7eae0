//! One module for each command. Each translates flags into calls of the library and results into text.

pub(crate) mod apps;
pub(crate) mod channels;
pub(crate) mod compile_component;
pub(crate) mod completions;
mod conformance;
pub(crate) mod connect;
pub(crate) mod database;
mod dev;
pub(crate) mod disconnect;
pub(crate) mod doctor;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod publish;
mod scaffold;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod stats;
pub(crate) mod work;
