//! Authentication. Programs send an API key, browsers a cookie; on a Unix socket the file's permissions decide.
//!
//! | who | identified by | may call |
//! | --- | --- | --- |
//! | a program of one tenant | a key of that tenant | that tenant's calls |
//! | the operator's program | a key without a tenant, or the Unix socket | everything, for any tenant |
//! | the operator's browser, or a named person's | a cookie that signed in with a password | everything |
//! | anyone on this machine | no password is set, and the service listens on loopback only | everything |
//!
//! The last row is for trying things out. It ends as soon as a password is set, and never holds where a
//! public address is configured: a proxy on this machine would hand it on to the world. For the same reason a request
//! that came through a proxy is refused there.
//!
//! Pages use [`Browser`] (any browser), [`Operator`] (signed in, or sent to the sign-in page) and [`Form`] (a
//! posted form whose token was checked). The API uses `Caller` and `OperatorCaller`.

mod browser;
mod caller;
mod client;
mod form;
mod guard;

pub use browser::{Browser, CSRF_FIELD, CSRF_HEADER, Operator, SignIn};
pub use form::Form;

pub(crate) use browser::keep_cookie;
pub(crate) use caller::{Caller, OperatorCaller, is_operator_call};
pub(crate) use form::FrameForm;
pub(crate) use guard::guard;

/// How a request arrived; added by the listener.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// Over a socket that only this user can open.
    Unix,
    /// Over a port that only this machine can reach.
    Loopback,
    /// Over any other port.
    Network,
}

/// Whether every caller on this listener counts as the operator.
pub(crate) async fn is_open(state: &crate::State, arrival: Option<&Arrival>) -> social_channel::Result<bool> {
    Ok(match arrival {
        Some(Arrival::Unix) => true,
        Some(Arrival::Loopback) => {
            !state.config().is_public() && !crate::access::Access::of(state.host()).has_password().await?
        }
        Some(Arrival::Network) | None => false,
    })
}
