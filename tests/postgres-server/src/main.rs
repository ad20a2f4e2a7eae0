//! `postgres-server`: a throw-away PostgreSQL for tests in other languages. Says `{"url": …}` once it takes connections, and
//! ends with its standard input.

use std::io::Read as _;

use anyhow::Result;

fn main() -> Result<()> {
    let server = postgres_server::Server::start(&[])?;
    println!("{{\"url\": \"{}\"}}", server.url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
