//! `serve`: runs the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use social_channel_server::{Config, Listen, Server};

use crate::global::Global;
use crate::session::{Place, warn_of_mappings};
use crate::{shipped, signal, variable};

/// Flags of `serve`. Flags take precedence over the configuration file.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = variable::CONFIG, hide_env = true)]
    config: Option<PathBuf>,
    /// Where to listen: 127.0.0.1:8080, port 0 for a free one, or unix:PATH; may be repeated
    #[arg(long, value_name = "ADDRESS", env = variable::LISTEN, value_delimiter = ',', hide_env = true)]
    listen: Vec<Listen>,
    /// The public address of the service: scheme, host and port
    #[arg(long, value_name = "URL", env = variable::PUBLIC_ADDRESS, hide_env = true)]
    public_address: Option<String>,
    /// Leave publish jobs to `social-channel work`
    #[arg(long)]
    no_workers: bool,
    /// File with the password of the pages
    #[arg(long, value_name = "FILE", env = variable::PASSWORD_FILE, hide_env = true)]
    password_file: Option<PathBuf>,
    /// Folder from which jobs may use files by name
    #[arg(long, value_name = "DIR")]
    media_folder: Option<PathBuf>,
    /// Folder for uploads
    #[arg(long, value_name = "DIR")]
    upload_folder: Option<PathBuf>,
    /// Name server for checks of domains; default: the system's
    #[arg(long, value_name = "ADDRESS", env = variable::DNS_SERVER, hide_env = true)]
    dns_server: Option<SocketAddr>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let mut config = match &flags.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if !flags.listen.is_empty() {
        config.listen = flags.listen;
    }
    config.public_address = flags.public_address.or(config.public_address);
    config.password_file = flags.password_file.or(config.password_file);
    config.media_folder = flags.media_folder.or(config.media_folder);
    config.upload_folder = flags.upload_folder.or(config.upload_folder);
    config.blob = global.blob.clone().or(config.blob);
    config.dns_server = flags.dns_server.or(config.dns_server);
    config.component_folder = config.component_folder.or_else(shipped::folder);
    config.workers &= !flags.no_workers;
    global.tenant.as_str().clone_into(&mut config.tenant);

    config.proxy = global.proxy()?.or(config.proxy);
    // The flag's file is in the builder that the configuration is applied to.
    config.providers = config.providers.filter(|_| global.providers.is_none());
    let is_public = config.media_address.is_some() || config.public_address.is_some();
    let mut server = Server::bind(config).await?;
    let place = Place::find_with_media(global, server.address().filter(|_| !is_public).as_deref()).await?;
    warn_of_mappings(&place);
    if let Some(address) = place.media_address() {
        server.set_media_address(address);
    }
    let host = server.prepare(place.builder())?.open().await?;
    place.prepare(&host).await?;
    // Before the address is announced.
    let stop = signal::stop();
    // A script that uses a free port reads it here.
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    place.output.answer(&serde_json::json!({"listening": addresses}), |_| {
        addresses.iter().map(|address| format!("listening on {address}")).collect::<Vec<_>>().join("\n")
    })?;
    server.run(host, stop).await?;
    Ok(0)
}
