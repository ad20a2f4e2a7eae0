//! The web pages, rendered on the server, one file for each. They use the library as the API does; text from
//! a provider is shown as plain text.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `layout` | the frame around every page, and around those of Settings |
//! | `part` | shared parts: failures, findings, pictures, times |
//! | `asset`, `picture` | style sheet and scripts; pictures that providers name |
//! | `problem` | a failure as a page |
//! | `sign_in` | the sign-in page |
//! | `home` | what to do next |
//! | `integration`, `app` | Settings: providers, and an app's keys |
//! | `guide`, `guide_step` | Setup guide with its steps, checks, review kit |
//! | `provider`, `key`, `person` | Settings: components, API keys, who may sign in |
//! | `endpoint` | Settings: addresses that get events |
//! | `connect` | Channels, *Add channel*, and the return from a platform |
//! | `import` | accounts that another program has connected, from a table |
//! | `channel` | a channel's profile, statistics and posts |
//! | `numbers`, `chart` | numbers over time |
//! | `publish`, `draft` | the publish page |
//! | `crosspost` | one post on several channels |
//! | `jobs`, `job` | lists of jobs, and one of them |
//! | `upload` | files that lie at this service |
//! | `tenant` | which tenant the browser acts for |
//! | `csv` | tables to download |
//! | `routes` | the routes of all pages |

mod app;
mod asset;
mod channel;
mod chart;
mod connect;
mod crosspost;
mod csv;
mod draft;
mod endpoint;
mod guide;
mod guide_step;
mod home;
mod import;
mod integration;
mod job;
mod jobs;
mod key;
mod layout;
mod numbers;
mod ownership;
mod part;
mod person;
mod picture;
mod problem;
mod provider;
mod publish;
mod routes;
mod sign_in;
mod tenant;
mod upload;

pub(crate) use connect::callback;
pub(crate) use problem::for_browsers;
pub(crate) use routes::router;
