//! `keys`: who may use the service, and the key that the database is encrypted under.

use anyhow::Result;
use clap::Subcommand;
use social_channel::ApiKey;

use crate::args::Global;
use crate::input;
use crate::output::{Column, instant, table};
use crate::session::Session;

/// Commands below `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keys of the service's API
    List,
    /// Make a key for this tenant; its text is shown once
    Create {
        /// What people call it
        name: String,
        /// For all tenants: the operator's own
        #[arg(long)]
        operator: bool,
    },
    /// Revoke a key: from now on it opens nothing
    Revoke {
        /// Its id
        id: String,
    },
    /// Set the password of the service's pages; asked for, or read from standard input
    Password {
        /// Remove it instead
        #[arg(long)]
        remove: bool,
    },
    /// Encrypt the database anew under the first of the master keys
    Rotate,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let (host, output) = (&session.host, session.output);
    match command {
        Command::List => {
            let keys = host.api_keys(None).await?;
            output.answer(&keys, |keys| list(keys))?;
        }
        Command::Create { name, operator } => {
            let tenant = (!operator).then_some(&global.tenant);
            let made = host.create_api_key(&name, tenant).await?;
            let mut facts = serde_json::to_value(&made.key)?;
            if let Some(facts) = facts.as_object_mut() {
                facts.insert("text".to_owned(), made.text.expose().into());
            }
            output.answer(&facts, |_| made.text.expose().to_owned())?;
            output.note("it is shown this once; send it as `Authorization: Bearer KEY`");
        }
        Command::Revoke { id } => {
            host.revoke_api_key(None, &id).await?;
            output.note(&format!("the key {id} is revoked"));
            output.answer(&serde_json::json!({"revoked": id}), |_| String::new())?;
        }
        Command::Password { remove } => {
            let password = if remove { None } else { Some(input::secret("password")?) };
            host.set_password(password).await?;
            output.note(if remove { "there is no password any more" } else { "the password is set" });
            output.answer(&serde_json::json!({"password": !remove}), |_| String::new())?;
        }
        Command::Rotate => {
            let changed = host.rotate_keys().await?;
            output.answer(&serde_json::json!({"changed": changed}), |_| {
                format!("values encrypted anew: {changed}")
            })?;
        }
    }
    Ok(0)
}

fn list(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "no keys; make one with `social-channel keys create NAME`".to_owned();
    }
    let rows = keys.iter().map(|key| {
        vec![
            key.id.clone(),
            key.name.clone(),
            key.tenant.clone().unwrap_or_else(|| "(all)".to_owned()),
            format!("…{}", key.hint),
            instant(key.created_at),
            key.used_at.map(instant).unwrap_or_else(|| "never".to_owned()),
        ]
    });
    table(&["KEY", "NAME", "TENANT", "ENDS IN", "CREATED", "USED"].map(Column::Text), rows.collect())
}
