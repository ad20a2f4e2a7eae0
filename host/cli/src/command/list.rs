//! `list`: the account's posts, page by page.

use anyhow::Result;
use clap::Args;
use indicatif::HumanCount;
use social_channel::model::{ListQuery, PostPage, PostSummary};

use crate::global::Global;
use crate::output::{Column, instant, table};
use crate::session::Session;

/// Flags of `list`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The channel: its id, or its account's name or @username; optional if there is only one
    channel: Option<String>,
    /// Posts per page
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// The number of pages to list
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "all")]
    pages: u32,
    /// All pages
    #[arg(long)]
    all: bool,
    /// Continue after the page with this `next_cursor`
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Only these posts, with current statistics and covers
    #[arg(long, value_name = "ID", value_delimiter = ',', conflicts_with_all = ["cursor", "pages", "all"])]
    ids: Vec<String>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let channel = session.channel(flags.channel.as_deref()).await?;
    if !flags.ids.is_empty() {
        let posts = session.tenant.get_posts(&channel.id, &flags.ids).await?;
        session.output.answer(&posts, |posts| show(posts))?;
        return Ok(0);
    }
    let mut whole = PostPage { posts: Vec::new(), next_cursor: flags.cursor };
    let mut pages = 0;
    loop {
        let query = ListQuery { limit: flags.limit, cursor: whole.next_cursor.take() };
        let page = session.tenant.list_posts(&channel.id, &query).await?;
        pages += 1;
        whole.posts.extend(page.posts);
        whole.next_cursor = page.next_cursor;
        if whole.next_cursor.is_none() || (!flags.all && pages >= flags.pages) {
            break;
        }
    }
    session.output.answer(&whole, |whole| show(&whole.posts))?;
    if let Some(cursor) = &whole.next_cursor {
        session.output.note(&format!(
            "\n{} posts in {pages} {}; more follow: --cursor {cursor}",
            whole.posts.len(),
            if pages == 1 { "page" } else { "pages" },
        ));
    }
    Ok(0)
}

/// A column, and a post's number in it.
type Number = (&'static str, fn(&PostSummary) -> Option<u64>);

fn show(posts: &[PostSummary]) -> String {
    /// Longer texts would make the table too wide.
    const TEXT: usize = 36;
    if posts.is_empty() {
        return "no posts".to_owned();
    }
    let count = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| HumanCount(n).to_string());
    // Networks tell different numbers; one that no post has is no column.
    let numbers: [Number; 4] = [
        ("VIEWS", |post| post.stats.views),
        ("LIKES", |post| post.stats.likes),
        ("COMMENTS", |post| post.stats.replies),
        ("SHARES", |post| post.stats.reposts),
    ];
    let told: Vec<_> =
        numbers.into_iter().filter(|(_, of)| posts.iter().any(|post| of(post).is_some())).collect();
    let rows = posts.iter().map(|post| {
        let text = post.title.as_deref().filter(|title| !title.is_empty()).or(post.text.as_deref());
        let posted = post.created_at.and_then(|at| i64::try_from(at).ok()).map(instant);
        let posted = posted.and_then(|text| text.get(..16).map(str::to_owned));
        let text = crate::output::plain(text.unwrap_or_default());
        let own = [
            post.id.clone(),
            posted.unwrap_or_default(),
            console::truncate_str(&text, TEXT, "…").into_owned(),
        ];
        own.into_iter().chain(told.iter().map(|(_, of)| count(of(post)))).collect()
    });
    let own = [Column::Text("POST"), Column::Text("POSTED (UTC)"), Column::Text("TEXT")];
    let columns: Vec<Column> =
        own.into_iter().chain(told.iter().map(|(name, _)| Column::Number(name))).collect();
    table(&columns, rows.collect())
}
