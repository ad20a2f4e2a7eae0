//! `keys`: access to the service, and the key that encrypts the database.

use anyhow::Result;
use clap::Subcommand;
use social_channel_server::Access;
use social_channel_server::{ApiKey, Person};

use crate::global::Global;
use crate::input;
use crate::output::{Column, instant, table};
use crate::session::Session;

/// Commands below `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keys of the service's API
    List,
    /// Create a key for this tenant; its text is shown once
    Create {
        /// Its name
        name: String,
        /// For all tenants: an operator's key
        #[arg(long)]
        operator: bool,
    },
    /// Revoke a key
    Revoke {
        /// Its id
        id: String,
    },
    /// Set a password of the service's pages; prompts for it, or reads it from standard input
    Password {
        /// Of a named person, who is added if there is none of that name; what the person does then says who did it
        #[arg(long)]
        name: Option<String>,
        /// Remove it instead, or the person
        #[arg(long, conflicts_with = "list")]
        remove: bool,
        /// List who may sign in instead
        #[arg(long, conflicts_with = "name")]
        list: bool,
    },
    /// Encrypt the database again with the first of the master keys
    Rotate,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let (host, output) = (&session.host, session.output);
    match command {
        Command::List => {
            let keys = Access::of(host).api_keys(None).await?;
            output.answer(&keys, |keys| list(keys))?;
        }
        Command::Create { name, operator } => {
            let tenant = (!operator).then_some(&global.tenant);
            let made = Access::of(host).create_api_key(&name, tenant).await?;
            let mut facts = serde_json::to_value(&made.key)?;
            if let Some(facts) = facts.as_object_mut() {
                facts.insert("text".to_owned(), made.text.expose().into());
            }
            output.answer(&facts, |_| made.text.expose().to_owned())?;
            output.note("it is shown only once; send it as `Authorization: Bearer KEY`");
        }
        Command::Revoke { id } => {
            Access::of(host).revoke_api_key(None, &id).await?;
            output.note(&format!("the key {id} is revoked"));
            output.answer(&serde_json::json!({"revoked": id}), |_| String::new())?;
        }
        Command::Password { list: true, .. } => {
            let access = Access::of(host);
            let (people, nameless) = (access.people().await?, access.has_nameless_password().await?);
            let facts = serde_json::json!({"password": nameless, "people": people});
            output.answer(&facts, |_| list_people(&people, nameless))?;
        }
        Command::Password { name: Some(name), remove: true, .. } => {
            Access::of(host).remove_person(&name).await?;
            output.note(&format!("{name} can no longer sign in"));
            output.answer(&serde_json::json!({"removed": name}), |_| String::new())?;
        }
        Command::Password { name: Some(name), .. } => {
            let person = Access::of(host).set_person(&name, input::secret("password")?).await?;
            output.note(&format!("{} can sign in with this password", person.name));
            output.answer(&person, |_| String::new())?;
        }
        Command::Password { name: None, remove, .. } => {
            let password = if remove { None } else { Some(input::secret("password")?) };
            Access::of(host).set_password(password).await?;
            output.note(if remove { "there is no password any more" } else { "the password is set" });
            output.answer(&serde_json::json!({"password": !remove}), |_| String::new())?;
        }
        Command::Rotate => {
            let changed = host.rotate_keys().await?;
            output.answer(&serde_json::json!({"changed": changed}), |_| {
                format!("values encrypted again: {changed}")
            })?;
        }
    }
    Ok(0)
}

fn list_people(people: &[Person], nameless: bool) -> String {
    let mut rows: Vec<Vec<String>> =
        people.iter().map(|person| vec![person.name.clone(), instant(person.set_at)]).collect();
    if nameless {
        rows.push(vec!["(without a name)".to_owned(), String::new()]);
    }
    if rows.is_empty() {
        return "nobody; set a password with `social-channel keys password --name NAME`".to_owned();
    }
    table(&["NAME", "PASSWORD SET"].map(Column::Text), rows)
}

fn list(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "no keys; create one with `social-channel keys create NAME`".to_owned();
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
