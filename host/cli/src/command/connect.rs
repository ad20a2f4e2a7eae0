//! `connect`: a consent in a browser, which returns to a port on this machine.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use social_channel::form::is_known;
use social_channel::{
    App, Candidate, Channel, Connect, ConnectOptions, Connected, Error, ErrorKind, Question, SettingValue,
    callback_query,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::failure::{Stopped, wrong};
use crate::global::Global;
use crate::loopback::{Callback, Loopback, Page};
use crate::output::{Format, channel, plain};
use crate::session::{Session, is_called, warn_of_mappings};
use crate::{browser, input, signal, variable};

/// Anyone who has the database and its key may complete a consent of this command.
const OWNER: &str = "command line";

/// Flags of `connect`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The app; optional if there is only one
    app: Option<String>,
    /// Print the URL on standard output and open no browser: for scripts, and for browsers on other machines
    #[arg(long, conflicts_with = "browser")]
    print_url: bool,
    /// The program that opens the page; `%s` is replaced with the URL, otherwise it is the last argument
    #[arg(long, value_name = "COMMAND", env = variable::BROWSER, hide_env = true)]
    browser: Option<String>,
    /// Read the URL at which the browser ended from standard input, and do not listen
    #[arg(long)]
    paste: bool,
    /// Use this callback URL instead of the app's own
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
    /// Connect this channel again; any other account is refused
    #[arg(long, value_name = "CHANNEL")]
    reconnect: Option<String>,
    /// Always so
    #[arg(long, hide = true)]
    choose_account: bool,
    /// If there are several accounts, connect this one, by its id, name or @username
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// A value that the provider needs before the consent, for example a server name. A secret, such as a refresh token
    /// that connects without a browser, is given by its name alone: it is asked for, or read from standard input
    #[arg(long = "input", value_name = "NAME[=VALUE]")]
    inputs: Vec<String>,
    /// Seconds to wait for the browser
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    warn_of_mappings(&session.place);
    let app = match &flags.app {
        Some(app) => session.host.app(app).await?,
        None => {
            let mut apps = session.host.apps().await?.into_iter();
            match (apps.next(), apps.next()) {
                (Some(only), None) => only,
                (None, _) => {
                    return Err(Error::new(ErrorKind::NotFound, "there is no app")
                        .with_remedy("create one: `social-channel apps add NAME`")
                        .into());
                }
                _ => {
                    return Err(
                        wrong("there are several apps", "name one; see `social-channel apps list`").into()
                    );
                }
            }
        }
    };
    let reconnect = match &flags.reconnect {
        Some(name) => Some(session.channel(Some(name)).await?.id),
        None => None,
    };
    let wanted = flags.callback.clone().or_else(|| app.redirect_uri.clone());
    let mut loopback = match &wanted {
        Some(uri) if !flags.paste => Loopback::bind(uri).await?,
        _ => None,
    };
    let redirect_uri = match &loopback {
        Some(loopback) => Some(loopback.redirect_uri.clone()),
        // Nothing listens, so any port works; the user copies the URL from the browser.
        None => wanted.map(|uri| uri.replacen(":*", ":9", 1)),
    };
    let options = ConnectOptions {
        owner: OWNER.to_owned(),
        redirect_uri: redirect_uri.clone(),
        // Otherwise a platform may connect whoever the browser is signed in as, without a question.
        choose_account: true,
        inputs: inputs(&session, &app, &flags.inputs).await?,
        reconnect,
    };
    let connected = match session.tenant.begin_connect(&app.id, options).await? {
        Connect::Done(connected) => connected,
        Connect::Ask(question) => Connected::Ask(question),
        Connect::Redirect { url, state, .. } => {
            let longest = Duration::from_secs(flags.timeout);
            let waited = tokio::select! {
                connected = offer_and_wait(&session, &flags, (&url, &state, redirect_uri.as_deref()), loopback.as_mut()) => connected,
                () = tokio::time::sleep(longest) => Err(wrong(
                    format!("the browser did not come back within {} seconds", flags.timeout),
                    "begin again; if the browser is on another machine, add --paste and enter the address at which it ended",
                )
                .into()),
                () = signal::stop() => Err(Stopped {
                    message: "nothing was connected".to_owned(),
                    remedy: "begin again with `social-channel connect`".to_owned(),
                }
                .into()),
            };
            if let Some(loopback) = loopback {
                loopback.finish().await;
            }
            waited?
        }
    };
    let mut connected = connected;
    let connected = loop {
        connected = match connected {
            Connected::Channel(channel) => break channel,
            Connected::Choose { choice, candidates } => {
                break pick(&session, &flags, &choice, &candidates).await?;
            }
            Connected::Ask(question) => answer(&session, question).await?,
            Connected::Redirect { url, state, .. } => {
                let page = (url.as_str(), state.as_str(), redirect_uri.as_deref());
                offer_and_wait(&session, &flags, page, None).await?
            }
        };
    };
    session.output.answer(&connected, channel)?;
    Ok(0)
}

/// The values that the provider asks for. Secrets never stand on the command line, where the shell and `ps` keep them.
async fn inputs(session: &Session, app: &App, given: &[String]) -> Result<BTreeMap<String, SettingValue>> {
    let mut values = BTreeMap::new();
    if given.is_empty() {
        return Ok(values);
    }
    let providers = session.host.providers().await?;
    let provider = providers.into_iter().find(|provider| provider.digest == app.digest);
    let fields = provider.map(|provider| provider.descriptor.connect_inputs).unwrap_or_default();
    for one in given {
        let (name, value) =
            one.split_once('=').map_or((one.as_str(), None), |(name, value)| (name, Some(value)));
        let field = fields.iter().find(|field| field.name == name);
        let value = match value {
            Some(_) if field.is_some_and(|field| field.kind == "secret") => {
                return Err(wrong(
                    format!("{name} is a secret, and the command line is no place for it"),
                    format!("give --input {name} alone, and type it or send it on standard input"),
                )
                .into());
            }
            Some(value) => value.into(),
            None => {
                let label = field.map_or(name, |field| field.label.as_str());
                let secret = field.is_none_or(|field| field.kind == "secret");
                input::value(&plain(label), secret)?.expose().into()
            }
        };
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

/// Concurrently, because the browser may return before the program that opened it has ended.
async fn offer_and_wait(
    session: &Session,
    flags: &Flags,
    page: (&str, &str, Option<&str>),
    loopback: Option<&mut Loopback>,
) -> Result<Connected> {
    let offering = offer(session, flags, page, loopback.is_some());
    let waiting = wait(session, flags, page.1, loopback);
    tokio::pin!(offering, waiting);
    tokio::select! {
        biased;
        offered = &mut offering => {
            offered?;
            waiting.await
        }
        connected = &mut waiting => connected,
    }
}

/// Opens the page, or prints its URL.
async fn offer(
    session: &Session,
    flags: &Flags,
    (url, state, redirect_uri): (&str, &str, Option<&str>),
    listening: bool,
) -> Result<()> {
    let output = session.output;
    if flags.print_url {
        return match output.format {
            Format::Text => output.raw(url),
            Format::Json => output.raw(
                &serde_json::json!({"url": url, "state": state, "redirect_uri": redirect_uri}).to_string(),
            ),
        };
    }
    match browser::open(url, flags.browser.as_deref()).await {
        Ok(()) => output
            .note(&format!("your browser opens this page; if it does not, open it yourself:\n\n  {url}\n")),
        Err(why) => {
            output.note(&format!("no browser was opened ({why}). Open this page yourself:\n\n  {url}\n"))
        }
    }
    output.note(
        "if the page does not ask which account, it takes the one that the browser is signed in to: for another one, sign \
         out there first, or use another browser",
    );
    if !listening {
        output.note("then copy the address at which the browser ended, and paste it here:");
    } else if std::io::stdin().is_terminal() {
        output.note(
            "waiting for the browser to return. If it ends at an error page, or runs on another machine,\n\
             copy the address it ended at and paste it here:",
        );
    } else {
        output.note("waiting for the browser to return");
    }
    Ok(())
}

/// Waits for the callback, from the browser or pasted by the user.
async fn wait(
    session: &Session,
    flags: &Flags,
    state: &str,
    mut loopback: Option<&mut Loopback>,
) -> Result<Connected> {
    let typed = loopback.is_none() || (std::io::stdin().is_terminal() && !flags.print_url);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut reading = typed;
    loop {
        let arrival = async {
            match loopback.as_mut() {
                Some(loopback) => loopback.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            callback = arrival => {
                let Some(callback) = callback else {
                    return Err(anyhow::anyhow!("the port for the callback was closed"));
                };
                let query = callback_query(&callback.query);
                if !is_ours(&query, state) {
                    callback.answer(Page {
                        good: false,
                        title: "Not the expected callback".to_owned(),
                        text: "Open the address that the terminal shows, and try again.".to_owned(),
                    });
                    continue;
                }
                return complete(session, query, Some(callback)).await;
            }
            line = lines.next_line(), if reading => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    let query = callback_query(line.trim());
                    if is_ours(&query, state) {
                        return complete(session, query, None).await;
                    }
                    session.output.note("that is not the expected address: it does not have the `state` of this connect. Paste the complete address:");
                }
                None if loopback.is_none() => {
                    return Err(wrong("no address was given", "paste the address at which the browser ended").into());
                }
                None => reading = false,
            },
        }
    }
}

/// Whether the callback belongs to this consent. Other requests must not end the wait.
fn is_ours(query: &[(String, String)], state: &str) -> bool {
    query.iter().any(|(name, value)| name == "state" && value == state)
}

/// Completes the consent, and only then shows the browser the result.
async fn complete(
    session: &Session,
    query: Vec<(String, String)>,
    callback: Option<Callback>,
) -> Result<Connected> {
    let result = session.tenant.complete_connect(OWNER, query).await;
    if let Some(callback) = callback {
        callback.answer(match &result {
            Ok(Connected::Channel(channel)) => Page {
                good: true,
                title: format!("{} is connected", plain(&channel.display_name)),
                text: "You can close this window and go back to the terminal.".to_owned(),
            },
            Ok(Connected::Ask(_) | Connected::Redirect { .. }) => Page {
                good: true,
                title: "One more step".to_owned(),
                text: "Go on in the terminal. You can close this window.".to_owned(),
            },
            Ok(Connected::Choose { .. }) => Page {
                good: true,
                title: "Which account?".to_owned(),
                text: "Choose one in the terminal. You can close this window.".to_owned(),
            },
            Err(error) => Page {
                good: false,
                title: plain(&error.message),
                text: error.remedy.as_deref().map(plain).unwrap_or_default(),
            },
        });
    }
    Ok(result?)
}

/// Asks the person what the provider wants to know, and completes with the answers.
async fn answer(session: &Session, question: Question) -> Result<Connected> {
    session.output.note(&plain(&question.prompt.text));
    let mut callback = vec![("state".to_owned(), question.state)];
    for field in question.prompt.fields.iter().filter(|field| is_known(field)) {
        let typed = input::value(&plain(&field.label), field.kind == "secret")?;
        callback.push((field.name.clone(), typed.expose().to_owned()));
    }
    Ok(session.tenant.complete_connect(OWNER, callback).await?)
}

/// Picks one of several accounts that a consent returned.
async fn pick(session: &Session, flags: &Flags, choice: &str, candidates: &[Candidate]) -> Result<Channel> {
    let named = flags.account.as_deref().and_then(|name| {
        let mut called = candidates
            .iter()
            .enumerate()
            .filter(|(_, one)| is_called(name, &one.account_id, &one.display_name, one.username.as_deref()));
        // Of two accounts of one name the person chooses.
        called.next().map(|(number, _)| number).filter(|_| called.next().is_none())
    });
    let names: Vec<String> = candidates
        .iter()
        .map(|one| {
            let handle = one.username.as_ref().map(|name| format!(", @{}", plain(name))).unwrap_or_default();
            format!("{} ({}{handle})", plain(&one.display_name), plain(&one.account_id))
        })
        .collect();
    let number = match named {
        Some(number) => number,
        None if input::can_ask() => input::choose("which account", &names)?,
        _ => {
            return Err(wrong(
                "the consent returned several accounts",
                format!("connect again with --account, one of: {}", names.join(", ")),
            )
            .into());
        }
    };
    let account = candidates.get(number).map(|one| one.account_id.as_str()).unwrap_or_default();
    Ok(session.tenant.choose_account(OWNER, choice, account).await?)
}
