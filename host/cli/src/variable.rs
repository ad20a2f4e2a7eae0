//! Every environment variable that the command line reads: the one table, shown by `--help`.

/// Folder of database, key and caches.
pub(crate) const DATA: &str = "SOCIAL_CHANNEL_DATA";
/// Whose channels and jobs.
pub(crate) const TENANT: &str = "SOCIAL_CHANNEL_TENANT";
/// How answers look.
pub(crate) const FORMAT: &str = "SOCIAL_CHANNEL_FORMAT";
/// The operator's policy file.
pub(crate) const POLICY: &str = "SOCIAL_CHANNEL_POLICY";
/// The file that holds the master key.
pub(crate) const KEY_FILE: &str = "SOCIAL_CHANNEL_KEY_FILE";
/// The master key itself; read by the library.
pub(crate) const MASTER_KEY: &str = social_channel::KEY_VARIABLE;
/// What is logged.
pub(crate) const LOG: &str = "SOCIAL_CHANNEL_LOG";
/// The program that opens a page.
pub(crate) const BROWSER: &str = "SOCIAL_CHANNEL_BROWSER";
/// The service's configuration file.
pub(crate) const CONFIG: &str = "SOCIAL_CHANNEL_CONFIG";
/// Where the service listens.
pub(crate) const LISTEN: &str = "SOCIAL_CHANNEL_LISTEN";
/// Where the world reaches the service.
pub(crate) const PUBLIC_ADDRESS: &str = "SOCIAL_CHANNEL_PUBLIC_ADDRESS";
/// The operator's password for the service's pages.
pub(crate) const PASSWORD_FILE: &str = "SOCIAL_CHANNEL_PASSWORD_FILE";

/// The name server of the doctor and the service.
pub(crate) const DNS_SERVER: &str = "SOCIAL_CHANNEL_DNS_SERVER";

/// Where traces go.
pub(crate) const OTLP: &str = "SOCIAL_CHANNEL_OTLP_ENDPOINT";

/// Name, and what it is for.
pub(crate) const TABLE: [(&str, &str); 15] = [
    (DATA, "folder of database, master key and caches; as --data"),
    (TENANT, "whose channels and jobs; as --tenant"),
    (FORMAT, "`text` or `json`; as --format"),
    (POLICY, "the operator's policy file; as --policy"),
    (KEY_FILE, "file that holds the master key; as --key-file"),
    (MASTER_KEY, "the master key itself, 64 hexadecimal digits; before an older one by a comma"),
    (LOG, "what is logged, for example `info` or `social_channel=debug`; as -v, and finer"),
    (BROWSER, "program that opens a page; as connect --browser"),
    (CONFIG, "configuration file of the service; as serve --config"),
    (LISTEN, "addresses of the service, separated by commas; as serve --listen"),
    (PUBLIC_ADDRESS, "where the world reaches the service; as serve --public-address"),
    (PASSWORD_FILE, "file with the password of the service's pages; as serve --password-file"),
    (DNS_SERVER, "name server that checks of domains ask; as doctor --dns-server and serve --dns-server"),
    (OTLP, "collector that gets traces, as http://127.0.0.1:4318; in programs built with the feature otlp"),
    ("NO_COLOR", "any value: no colours"),
];

/// The table, as it stands below `--help`.
pub(crate) fn help() -> String {
    let width = TABLE.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let rows: Vec<String> = TABLE.iter().map(|(name, about)| format!("  {name:width$}  {about}")).collect();
    format!(
        "Environment:\n{}\n\nExit codes:\n  0  done\n  1  not done, and the user or the operator can mend it: the hint says how\n  2  \
         not done for another reason: the network, the platform, a limit, or a bug\n\nData goes to standard output, words go to \
         standard error.",
        rows.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn visit(command: &clap::Command, seen: &mut Vec<String>) {
        seen.extend(command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)));
        command.get_subcommands().for_each(|command| visit(command, seen));
    }

    #[test]
    fn every_variable_stands_in_the_table() {
        let mut seen = Vec::new();
        visit(&crate::args::Cli::command(), &mut seen);
        assert!(seen.len() >= 8, "{seen:?}");
        for name in seen {
            assert!(name.starts_with("SOCIAL_CHANNEL_"), "{name}");
            assert!(TABLE.iter().any(|(known, _)| *known == name), "{name} is missing in the table");
        }
    }
}
