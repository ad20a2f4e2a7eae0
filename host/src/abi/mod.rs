//! One module per line of the contract: generated bindings, and their translation into plain types.
//!
//! The types below are what a call takes and gives; those that people see are in [`crate::model`]. An older
//! line's module would hold only its difference and translate to these.

pub(crate) mod v0_1;

use std::time::Duration;

use crate::error::Error;
use crate::model::Publication;
use crate::secret::{SecretBytes, SecretText};

/// `types.account`.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) credentials: SecretBytes,
    pub(crate) scopes: Vec<String>,
}

/// `channel.connect-request`.
#[derive(Clone, Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) state: SecretText,
    pub(crate) redirect_uri: String,
    pub(crate) choose_account: bool,
    pub(crate) inputs: Vec<(String, String)>,
}

/// `channel.connect-step`.
#[derive(Debug)]
pub(crate) enum ConnectStep {
    Redirect { url: String, session: SecretBytes, expires_in: Duration },
    Connected(Vec<Connection>),
}

/// `channel.connection`.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) account: Account,
    pub(crate) display_name: String,
    pub(crate) avatar_url: Option<String>,
    pub(crate) grant: Option<String>,
    pub(crate) expires_at: Option<u64>,
    pub(crate) refresh_expires_at: Option<u64>,
    pub(crate) missing_scopes: Vec<String>,
}

/// `channel.publish-step`.
#[derive(Debug)]
pub(crate) struct PublishStep {
    pub(crate) state: SecretBytes,
    pub(crate) reference: Option<String>,
    pub(crate) phase: String,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_total: u64,
    pub(crate) next: NextStep,
}

/// `channel.next-step`.
#[derive(Debug)]
pub(crate) enum NextStep {
    Proceed(Effect),
    Wait(Duration),
    Published { publication: Publication, recheck_after: Option<Duration> },
    Failed(Error),
    Cancelled,
    Unknown(Error),
}

/// `channel.effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Repeatable,
    Once,
}

/// `channel.resume`.
#[derive(Debug, Default)]
pub(crate) struct Resume {
    pub(crate) interrupted: bool,
    pub(crate) evidence: Option<SecretBytes>,
}

/// `webhooks.request`.
#[derive(Clone, Debug)]
pub(crate) struct WebhookRequest {
    pub(crate) method: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) received_at: u64,
}

/// `webhooks.receipt`.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) response: Option<WebhookResponse>,
}

/// `webhooks.response`.
#[derive(Clone, Debug)]
pub(crate) struct WebhookResponse {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// `webhooks.delivery`.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event: Event,
}

/// `webhooks.event`.
#[derive(Debug)]
pub(crate) enum Event {
    PublishChanged { reference: String, account_id: Option<String>, evidence: SecretBytes },
    AccountRemoved { account_id: String, at: u64, reason: Option<String> },
    Ignored(String),
}

/// `diagnostics.addresses`.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) redirect_uri: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) media_prefix: Option<String>,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The access credential is stale: refresh it and repeat the call once. The error, of the kind
    /// `Unauthorized`, is for the case that this has been done already.
    CredentialsExpired(Error),
    /// Anything else.
    Failed(Error),
}

impl CallError {
    /// The error to show where no refresh is possible.
    pub(crate) fn into_error(self) -> Error {
        match self {
            CallError::CredentialsExpired(error) | CallError::Failed(error) => error,
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Failed(error)
    }
}
