//! `cargo xtask demo swap`: see [`cli_tests::swap`].

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let swapped = cli_tests::swap::run(&mut |line| println!("{line}")).await?;
    swapped.check()?;
    println!("nothing is lost, posted twice or stopped");
    Ok(())
}
