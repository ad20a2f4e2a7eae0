//! Building the contract's records: what every one needs, and nothing in the members that are optional. A record may be
//! completed by `..`: `Field { required: true, ..Field::new("name", "Your name", "text") }`.

use crate::channel::{
    Condition, Connection, Consequence, Descriptor, ListQuery, MediaRule, Metric, NextStep, Part, Post,
    PostKind, PostMedia, PostPage, PostSummary, Profile, Prompt, Publication, PublishForm, PublishStep,
    PublishedPost, Quota, Redirect, Resume, Stats,
};
use crate::types::{Account, Choice, Field, Finding, Property, Severity, TextLimit, Value};
use crate::webhooks;

impl Property {
    /// A named value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Value) -> Self {
        Self { name: name.into(), value }
    }
}

impl Choice {
    /// A choice and its label.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), details: Vec::new() }
    }
}

impl TextLimit {
    /// At most this many units.
    #[must_use]
    pub fn at_most(maximum: u32, unit: impl Into<String>) -> Self {
        Self { minimum: None, maximum: Some(maximum), unit: unit.into(), link_length: None }
    }
}

impl Field {
    /// An optional field without a default, of every kind of post.
    #[must_use]
    pub fn new(name: impl Into<String>, label: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            help: None,
            kind: kind.into(),
            choices: Vec::new(),
            required: false,
            default_value: None,
            limits: Vec::new(),
            applies_to: Vec::new(),
            details: Vec::new(),
        }
    }
}

impl Finding {
    /// A finding without remedy and code.
    #[must_use]
    pub fn new(severity: Severity, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            subject: subject.into(),
            message: message.into(),
            remedy: None,
            code: None,
            details: Vec::new(),
        }
    }
}

impl Descriptor {
    /// A provider that asks for nothing and can do nothing.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            version: version.into(),
            abilities: Vec::new(),
            settings: Vec::new(),
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
            details: Vec::new(),
        }
    }
}

impl Redirect {
    /// A redirect with its session.
    #[must_use]
    pub fn new(url: impl Into<String>, session: Vec<u8>, expires_in: u64) -> Self {
        Self { url: url.into(), session, expires_in, details: Vec::new() }
    }
}

impl Prompt {
    /// A question with its session.
    #[must_use]
    pub fn new(text: impl Into<String>, fields: Vec<Field>, session: Vec<u8>, expires_in: u64) -> Self {
        Self { text: text.into(), fields, session, expires_in, details: Vec::new() }
    }
}

impl Connection {
    /// An account whose credentials never end.
    #[must_use]
    pub fn new(account: Account, display_name: impl Into<String>) -> Self {
        Self {
            account,
            display_name: display_name.into(),
            username: None,
            avatar_url: None,
            kind: None,
            parent_id: None,
            grant: None,
            expires_at: None,
            refresh_expires_at: None,
            missing_scopes: Vec::new(),
            details: Vec::new(),
        }
    }
}

impl Metric {
    /// A number by a registered name.
    #[must_use]
    pub fn new(name: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), label: None, value }
    }

    /// The numbers that are known.
    #[must_use]
    pub fn known(numbers: &[(&str, Option<u64>)]) -> Vec<Self> {
        let known = numbers.iter().filter_map(|(name, value)| Some(Self::new(*name, (*value)?)));
        known.collect()
    }
}

impl Stats {
    /// Only numbers.
    #[must_use]
    pub fn new(metrics: Vec<Metric>) -> Self {
        Self { metrics, details: Vec::new() }
    }
}

impl Profile {
    /// A profile of which only the names are known.
    #[must_use]
    pub fn new(id: impl Into<String>, display_name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            username: None,
            display_name: display_name.into(),
            bio: None,
            url: None,
            avatar_url: None,
            verified: None,
            details: Vec::new(),
        }
    }
}

impl PostMedia {
    /// Media of which only the kind is known.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            url: None,
            thumbnail_url: None,
            alt_text: None,
            duration: None,
            width: None,
            height: None,
            details: Vec::new(),
        }
    }
}

impl PostSummary {
    /// A post of which only the id is known.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            title: None,
            text: None,
            url: None,
            embed_url: None,
            thumbnail_url: None,
            created_at: None,
            media: Vec::new(),
            metrics: Vec::new(),
            details: Vec::new(),
        }
    }
}

impl ListQuery {
    /// The first page, or the one after a cursor.
    #[must_use]
    pub fn new(limit: u32, cursor: Option<String>) -> Self {
        Self { limit, cursor, details: Vec::new() }
    }
}

impl PostPage {
    /// A page, and where the next one begins.
    #[must_use]
    pub fn new(posts: Vec<PostSummary>, next_cursor: Option<String>) -> Self {
        Self { posts, next_cursor, details: Vec::new() }
    }
}

impl Post {
    /// An empty post.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            title: None,
            text: None,
            visibility: None,
            options: Vec::new(),
            parts: Vec::<Part>::new(),
        }
    }
}

impl MediaRule {
    /// Items of any type and size.
    #[must_use]
    pub fn new(role: impl Into<String>, label: impl Into<String>, minimum: u32, maximum: u32) -> Self {
        Self {
            role: role.into(),
            label: label.into(),
            minimum,
            maximum,
            content_types: Vec::new(),
            max_size: None,
            min_duration: None,
            max_duration: None,
            needs_public_url: false,
            fields: Vec::new(),
            details: Vec::new(),
        }
    }
}

impl PostKind {
    /// A kind whose media are those of its rules of the role `media`.
    #[must_use]
    pub fn new(name: impl Into<String>, label: impl Into<String>, media: Vec<MediaRule>) -> Self {
        let own = || media.iter().filter(|rule| rule.role == "media");
        Self {
            name: name.into(),
            label: label.into(),
            min_media: own().map(|rule| rule.minimum).fold(0, u32::saturating_add),
            max_media: own().map(|rule| rule.maximum).fold(0, u32::saturating_add),
            media,
            max_parts: 0,
            details: Vec::new(),
        }
    }
}

impl Condition {
    /// Holds while the field has one of these values.
    #[must_use]
    pub fn is(field: impl Into<String>, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Self { field: field.into(), test: "is".to_owned(), values }
    }
}

impl Consequence {
    /// A consequence by its name.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            field: None,
            choice: None,
            text: None,
            links: Vec::new(),
            details: Vec::new(),
        }
    }

    /// Leaves a field out.
    #[must_use]
    pub fn hide(field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new("hide") }
    }

    /// Greys the publish button out.
    #[must_use]
    pub fn block(because: impl Into<String>) -> Self {
        Self { text: Some(because.into()), ..Self::new("block") }
    }
}

impl Quota {
    /// An allowance of which nothing is used, and which posting does not use up.
    #[must_use]
    pub fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            used: 0,
            maximum: None,
            resets_at: None,
            cost: None,
            details: Vec::new(),
        }
    }
}

impl PublishForm {
    /// A form that offers nothing.
    #[must_use]
    pub fn new(account_name: impl Into<String>) -> Self {
        Self {
            account_name: account_name.into(),
            account_avatar_url: None,
            kinds: Vec::new(),
            fields: Vec::new(),
            rules: Vec::new(),
            quotas: Vec::new(),
            blocked: None,
            details: Vec::new(),
        }
    }
}

impl PublishedPost {
    /// A post that is out, with the id and the link that are known.
    #[must_use]
    pub fn public(id: Option<String>, url: Option<String>) -> Self {
        Self {
            id,
            url,
            role: "post".to_owned(),
            state: "public".to_owned(),
            public_at: None,
            details: Vec::new(),
        }
    }
}

impl Publication {
    /// Nothing is known to be out.
    #[must_use]
    pub fn none() -> Self {
        Self { posts: Vec::new(), findings: Vec::new(), details: Vec::new() }
    }

    /// One post.
    #[must_use]
    pub fn of(post: PublishedPost) -> Self {
        Self { posts: vec![post], ..Self::none() }
    }
}

impl PublishStep {
    /// A step that tells no progress.
    #[must_use]
    pub fn new(state: Vec<u8>, phase: impl Into<String>, next: NextStep) -> Self {
        Self {
            state,
            reference: None,
            phase: phase.into(),
            bytes_sent: 0,
            bytes_total: 0,
            publication: Publication::none(),
            next,
            details: Vec::new(),
        }
    }
}

impl Resume {
    /// How a call is made, without evidence.
    #[must_use]
    pub fn new(interrupted: bool) -> Self {
        Self { interrupted, evidence: None, details: Vec::new() }
    }
}

impl webhooks::Delivery {
    /// An event under its id.
    #[must_use]
    pub fn new(id: impl Into<String>, event: webhooks::Event) -> Self {
        Self { id: id.into(), event, details: Vec::new() }
    }
}
