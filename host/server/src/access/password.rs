//! Passwords. One has no name, as a service with one operator needs it; each other one is a named person's.
//!
//! The names are known to nobody who has not signed in: a wrong name is answered as a wrong password is, after the same
//! work.

use std::ops::RangeInclusive;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel::{Document, Error, ErrorKind, Result, SecretText};

use super::{Access, hash};

/// The kind of these documents.
const PASSWORD: &str = "password";
/// The id of the password without a name.
pub(super) const OPERATOR: &str = "operator";
/// Shorter passwords can be guessed, whatever the hash.
const PASSWORD_LENGTH: RangeInclusive<usize> = 10..=1024;
/// What an API key is called where a person's name would be: no person has such a name.
const OF_KEYS: &str = "api key";
/// Tried where there is no such name; of the same parameters as every hash here, and no password's.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A person who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// As it is written; another spelling of its letters as capitals or small ones is the same name.
    pub name: String,
    /// When the password was set; seconds since 1970.
    pub set_at: i64,
}

#[derive(Serialize, Deserialize)]
struct PasswordFacts {
    hash: String,
    /// Absent: the password without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// A password that exists.
pub(super) struct Password {
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// Another one after every change.
    pub(super) mark: String,
}

impl Password {
    fn new(document: &Document<PasswordFacts>) -> Self {
        let facts = &document.facts;
        Password { id: document.id.clone(), name: facts.name.clone(), mark: hash(&facts.hash) }
    }
}

impl Access<'_> {
    /// Sets the password without a name, or removes it. Browsers that signed in with it are signed out. If the future
    /// is dropped, all of this happens or nothing.
    ///
    /// # Errors
    /// `InvalidRequest` for one that is too short or too long.
    pub async fn set_password(self, password: Option<SecretText>) -> Result<()> {
        let changes = self.end_sessions(OPERATOR).await?;
        let changes = match password {
            None => changes.remove(PASSWORD, OPERATOR),
            Some(password) => changes.put(PASSWORD, self.hashed(OPERATOR, None, password).await?)?,
        };
        self.0.change_documents(changes).await?;
        tracing::info!("the operator's password was changed");
        Ok(())
    }

    /// Adds a person, or gives one another password. Browsers in which that person signed in are signed out. If the
    /// future is dropped, all of this happens or nothing.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that nobody can have, and for a password that is too short or too long.
    pub async fn set_person(self, name: &str, password: SecretText) -> Result<Person> {
        let name = checked(name)?;
        let id = id_of(name);
        let document = self.hashed(&id, Some(name.to_owned()), password).await?;
        let person = Person { name: name.to_owned(), set_at: document.created_at / 1000 };
        self.0.change_documents(self.end_sessions(&id).await?.put(PASSWORD, document)?).await?;
        tracing::info!(name, "a person's password was set");
        Ok(person)
    }

    /// Removes a person, who is signed out everywhere. If the future is dropped, all of this happens or nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn remove_person(self, name: &str) -> Result<()> {
        let id = id_of(name);
        if self.0.document::<PasswordFacts>(PASSWORD, &id).await?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("nobody is called {}", name.trim()))
                .with_field("name")
                .with_remedy("see the list of people; the person may have been removed already"));
        }
        self.0.change_documents(self.end_sessions(&id).await?.remove(PASSWORD, &id)).await?;
        tracing::info!(name, "a person was removed");
        Ok(())
    }

    /// All named persons, by name. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn people(self) -> Result<Vec<Person>> {
        let found = self.0.documents::<PasswordFacts>(PASSWORD).await?.into_iter();
        let person = |document: Document<PasswordFacts>| {
            Some(Person { name: document.facts.name?, set_at: document.created_at / 1000 })
        };
        Ok(found.filter_map(person).collect())
    }

    /// Whether anybody has a password; if not, nobody can sign in. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_password(self) -> Result<bool> {
        // Also one that cannot be read keeps the door shut.
        self.0.has_documents(PASSWORD).await
    }

    /// Whether there is a password without a name. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_nameless_password(self) -> Result<bool> {
        Ok(self.password(OPERATOR).await?.is_some())
    }

    pub(super) async fn password(self, id: &str) -> Result<Option<Password>> {
        Ok(self.0.document(PASSWORD, id).await?.as_ref().map(Password::new))
    }

    /// Whether this is the password without a name. Deliberately takes some hundredths of a second. Dropping the future
    /// changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn check_password(self, password: SecretText) -> Result<bool> {
        Ok(self.proven(None, password).await?.is_some())
    }

    /// The password of this name, or the one without a name, if this is it. Takes as long where there is no such name.
    pub(super) async fn proven(self, name: Option<&str>, password: SecretText) -> Result<Option<Password>> {
        if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
            return Ok(None);
        }
        let id = name.map_or_else(|| OPERATOR.to_owned(), id_of);
        let known = self.0.document::<PasswordFacts>(PASSWORD, &id).await?;
        let stored = known.as_ref().map_or_else(|| DECOY.to_owned(), |known| known.facts.hash.clone());
        let fits = slowly(move || {
            let parsed = PasswordHash::new(&stored)?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok())
        });
        let fits = fits.await?;
        Ok(known.filter(|_| fits).as_ref().map(Password::new))
    }

    async fn hashed(
        self,
        id: &str,
        name: Option<String>,
        password: SecretText,
    ) -> Result<Document<PasswordFacts>> {
        if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("a password has at least {} characters", PASSWORD_LENGTH.start()),
            )
            .with_field("password")
            .with_remedy("choose a longer one, for example from a password manager"));
        }
        let hash = slowly(move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
            hash.map(|hash| hash.to_string())
        })
        .await?;
        let (id, facts) = (id.to_owned(), PasswordFacts { hash, name });
        Ok(Document { id, facts, body: None, created_at: self.0.clock().now_ms(), expires_at: None })
    }
}

/// Names that differ in capitals only would be taken for each other.
fn id_of(name: &str) -> String {
    format!("person {}", name.trim().to_lowercase())
}

/// A name that a person can have.
fn checked(name: &str) -> Result<&str> {
    let name = name.trim();
    let wrong = |message: &str, remedy: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_field("name").with_remedy(remedy))
    };
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return wrong(
            "the name is not 1 to 100 characters",
            "give the name that is to stand beside what the person does",
        );
    }
    let small = name.to_lowercase();
    if small == OPERATOR || small.starts_with(OF_KEYS) {
        return wrong("the name would stand for somebody else", "give the person's own name");
    }
    Ok(name)
}

/// Hashing is deliberately slow, so it runs on the blocking pool.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("hashing a password was interrupted").with_source(error))?
        .map_err(|error| Error::internal(format!("a password cannot be hashed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_for_an_unknown_name_costs_what_a_known_one_costs() {
        let decoy = PasswordHash::new(DECOY).unwrap();
        let own = Argon2::default()
            .hash_password(b"correct horse", &SaltString::generate(&mut OsRng))
            .unwrap()
            .to_string();
        let own = PasswordHash::new(&own).unwrap();
        assert_eq!(
            (decoy.algorithm, decoy.version, &decoy.params),
            (own.algorithm, own.version, &own.params)
        );
        assert_eq!(decoy.hash.unwrap().len(), own.hash.unwrap().len());
        assert_eq!(decoy.salt.unwrap().as_str().len(), own.salt.unwrap().as_str().len());
        // It is computed to the end, and fits nothing.
        assert!(Argon2::default().verify_password(b"correct horse", &decoy).is_err());
    }

    #[test]
    fn no_person_is_called_as_the_operator_or_a_key_is() {
        for good in ["Anna", " Anna Müller ", "an operator", "安娜"] {
            assert_eq!(checked(good).unwrap(), good.trim());
        }
        for bad in ["", "  ", "a\nb", "operator", "Operator", "API key Shop", "api KEY", &"x".repeat(101)] {
            assert_eq!(checked(bad).unwrap_err().field.as_deref(), Some("name"), "{bad}");
        }
        assert_eq!(id_of("ANNA "), id_of("anna"));
    }
}
