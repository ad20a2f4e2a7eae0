//! `bluesky-server`: a throw-away Bluesky to try things with. Says where it is and who lives there as one line of JSON once it
//! answers, and ends with its standard input.

use std::io::Read as _;

use anyhow::Result;
use serde_json::json;

fn main() -> Result<()> {
    let server = bluesky_server::Server::start()?;
    let (ada, bob) = (server.account("ada")?, server.account("bob")?);
    let account = |account: &bluesky_server::Account| {
        json!({
            "handle": account.handle,
            "did": account.did,
            "password": account.password,
            "app_password": account.app_password,
            "access": account.access,
        })
    };
    println!(
        "{}",
        json!({ "pds": server.pds, "plc": server.plc, "accounts": [account(&ada), account(&bob)] })
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
