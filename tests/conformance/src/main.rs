//! The small network as a program: it says in one line of JSON where it is, and ends when its standard input closes.

use anyhow::Result;
use conformance_tests::Network;
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<()> {
    let network = Network::start().await?;
    println!("{}", network.description());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
