//! Developer commands. 
fn main() {}
