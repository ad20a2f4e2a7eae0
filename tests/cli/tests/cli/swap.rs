//! Providers are swapped while posts of two networks are under way. Needs Bluesky's servers: `cargo xtask test bluesky`.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn nothing_is_lost_posted_twice_or_stopped_while_providers_are_swapped() {
    let mut said = Vec::new();
    let swapped = cli_tests::swap::run(&mut |line| said.push(line.to_owned())).await.unwrap();
    swapped.check().unwrap_or_else(|error| panic!("{error:#}\n{}", said.join("\n")));
}
