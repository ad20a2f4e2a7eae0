//! Checks of a descriptor that its types do not express.

use crate::error::{Error, ErrorKind, Result};
use crate::form;
use crate::model::{Descriptor, Field, OptionValue};
use crate::net::OriginPattern;

/// Checks of a descriptor that its types do not express.
pub(crate) fn checked(descriptor: Descriptor) -> Result<Descriptor> {
    let wrong = |field: &str, message: String| {
        Err(Error::new(
            ErrorKind::ProviderFault,
            format!("the provider's description of itself is invalid: {message}"),
        )
        .with_field(field)
        .with_remedy("Replace the provider with a repaired version."))
    };
    let id = &descriptor.id;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return wrong("id", "its id has 1 to 64 lower-case letters, digits and hyphens".to_owned());
    }
    if descriptor.name.trim().is_empty() || descriptor.name.chars().any(char::is_control) {
        return wrong("name", "it has no readable name".to_owned());
    }
    if semver::Version::parse(&descriptor.version).is_err() {
        return wrong("version", "its version is not of the form 1.2.3".to_owned());
    }
    for origin in &descriptor.origins {
        if let Err(error) = origin.parse::<OriginPattern>() {
            return wrong("origins", error.message);
        }
    }
    for (field, settings) in
        [("settings", &descriptor.settings), ("connect-inputs", &descriptor.connect_inputs)]
    {
        let mut names = std::collections::HashSet::new();
        for Field { name, kind, choices, default_value, .. } in settings {
            if !is_kebab(name) || !names.insert(name) {
                return wrong(field, format!("`{name}` is not a kebab-case name, or occurs twice"));
            }
            let is_offered =
                |value: &OptionValue| choices.iter().any(|choice| choice.value == form::text(value));
            if kind == "choice" && default_value.as_ref().is_some_and(|value| !is_offered(value)) {
                return wrong(field, format!("the default of `{name}` is not among its choices"));
            }
        }
    }
    Ok(descriptor)
}

fn is_kebab(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            id: "demo".to_owned(),
            name: "Demo".to_owned(),
            version: "1.2.3".to_owned(),
            abilities: Vec::new(),
            settings: vec![Field {
                name: "client-key".to_owned(),
                label: "Client key".to_owned(),
                kind: "text".to_owned(),
                required: true,
                ..Field::default()
            }],
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: vec!["https://api.example.com".to_owned()],
            details: crate::model::Details::new(),
        }
    }

    #[test]
    fn a_descriptor_is_checked_field_by_field() {
        checked(descriptor()).unwrap();
        type Spoil = fn(&mut Descriptor);
        let cases: [(&str, Spoil); 10] = [
            ("id", |it| it.id = String::new()),
            ("id", |it| it.id = "Demo".to_owned()),
            ("id", |it| it.id = "a/b".to_owned()),
            ("id", |it| it.id = "x".repeat(65)),
            ("name", |it| it.name = " ".to_owned()),
            ("version", |it| it.version = "1".to_owned()),
            ("origins", |it| it.origins = vec!["api.example.com".to_owned()]),
            ("settings", |it| it.settings[0].name = "clientKey".to_owned()),
            ("settings", |it| it.settings.push(it.settings[0].clone())),
            ("settings", |it| {
                it.settings[0].kind = "choice".to_owned();
                it.settings[0].default_value = Some(OptionValue::Text("none of them".to_owned()));
            }),
        ];
        for (field, spoil) in cases {
            let mut spoilt = descriptor();
            spoil(&mut spoilt);
            let error = checked(spoilt).unwrap_err();
            assert_eq!(error.kind, ErrorKind::ProviderFault);
            assert_eq!(error.field.as_deref(), Some(field), "{}", error.message);
        }
    }
}
