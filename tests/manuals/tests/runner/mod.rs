//! What runs the blocks.

pub(crate) mod gate;
pub(crate) mod program;
pub(crate) mod simulator;

/// The lines of a block that are commands, without their comments; those that `\` breaks are one.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let commands = joined.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned());
    commands.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
