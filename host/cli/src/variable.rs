//! Every environment variable that the command line reads: the table shown by `--help`.

/// Folder of database, key and caches.
pub(crate) const DATA: &str = "SOCIAL_CHANNEL_DATA";
/// The database, if it is not in the data folder.
pub(crate) const DATABASE: &str = "SOCIAL_CHANNEL_DATABASE";
/// Where uploads are stored.
pub(crate) const BLOB: &str = "SOCIAL_CHANNEL_BLOB";
/// The tenant whose channels and jobs to use.
pub(crate) const TENANT: &str = "SOCIAL_CHANNEL_TENANT";
/// The output format.
pub(crate) const FORMAT: &str = "SOCIAL_CHANNEL_FORMAT";
/// The operator's policy file.
pub(crate) const POLICY: &str = "SOCIAL_CHANNEL_POLICY";
/// Who may sign providers, and how registries are reached.
pub(crate) const PROVIDERS: &str = "SOCIAL_CHANNEL_PROVIDERS";
/// The HTTP proxy for all requests.
pub(crate) const PROXY: &str = "SOCIAL_CHANNEL_PROXY";
/// The file with the master key.
pub(crate) const KEY_FILE: &str = "SOCIAL_CHANNEL_KEY_FILE";
/// The master key itself; read by the library.
pub(crate) const MASTER_KEY: &str = social_channel::KEY_VARIABLE;
/// The log filter.
pub(crate) const LOG: &str = "SOCIAL_CHANNEL_LOG";
/// The program that opens a page.
pub(crate) const BROWSER: &str = "SOCIAL_CHANNEL_BROWSER";
/// The service's configuration file.
pub(crate) const CONFIG: &str = "SOCIAL_CHANNEL_CONFIG";
/// Where the service listens.
pub(crate) const LISTEN: &str = "SOCIAL_CHANNEL_LISTEN";
/// The public address of the service.
pub(crate) const PUBLIC_ADDRESS: &str = "SOCIAL_CHANNEL_PUBLIC_ADDRESS";
/// The operator's password for the service's pages.
pub(crate) const PASSWORD_FILE: &str = "SOCIAL_CHANNEL_PASSWORD_FILE";

/// The name server for checks of domains.
pub(crate) const DNS_SERVER: &str = "SOCIAL_CHANNEL_DNS_SERVER";

/// Where traces go.
pub(crate) const OTLP: &str = "SOCIAL_CHANNEL_OTLP_ENDPOINT";

/// Name, and what it is for.
pub(crate) const TABLE: [(&str, &str); 19] = [
    (DATA, "folder of database, master key and caches; as --data"),
    (DATABASE, "a path, or a URL (postgres://, mysql://); as --database"),
    (BLOB, "a folder for uploads, or s3://BUCKET/PREFIX; as --blob"),
    (TENANT, "tenant of channels and jobs; as --tenant"),
    (FORMAT, "`text` or `json`; as --format"),
    (POLICY, "the operator's policy file; as --policy"),
    (PROVIDERS, "file that says who may sign providers; as --providers"),
    (PROXY, "HTTP proxy for all requests, as http://HOST:PORT; as --proxy"),
    (KEY_FILE, "file with the master key; as --key-file"),
    (MASTER_KEY, "the master key itself, 64 hexadecimal digits; older keys follow after commas"),
    (LOG, "log filter, for example `info` or `social_channel=debug`; as -v, but more precise"),
    (BROWSER, "program that opens a page; as connect --browser"),
    (CONFIG, "configuration file of the service; as serve --config"),
    (LISTEN, "addresses of the service, separated by commas; as serve --listen"),
    (PUBLIC_ADDRESS, "public address of the service; as serve --public-address"),
    (PASSWORD_FILE, "file with the password of the service's pages; as serve --password-file"),
    (DNS_SERVER, "name server for checks of domains; as doctor --dns-server and serve --dns-server"),
    (OTLP, "collector for traces, as http://127.0.0.1:4318; in programs built with the feature otlp"),
    ("NO_COLOR", "any value: no colours"),
];

/// The table, as shown by `--help`.
pub(crate) fn help() -> String {
    let width = TABLE.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let rows: Vec<String> = TABLE.iter().map(|(name, about)| format!("  {name:width$}  {about}")).collect();
    format!(
        "Environment:\n{}\n\nExit codes:\n  0  done\n  1  not done, and the user or the operator can fix it: the hint says how\n  2  \
         not done for another reason: the network, the platform, a limit, or a bug\n\nData goes to standard output, messages go to \
         standard error.",
        rows.join("\n")
    )
}
