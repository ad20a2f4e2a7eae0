//! Fuzzing on the stable compiler, within the ordinary tests: inputs that are kept in `corpus/`, one folder for
//! each parser, and a strategy that damages them as strangers and bad networks do.
//!
//! The tests stand with the parsers: `plugin-tiktok/src/fuzz.rs` and `host/src/tests/fuzz.rs`. Each first plays the
//! corpus as it is, then damaged. `PROPTEST_CASES=100000 cargo test fuzz` looks longer. An input that broke
//! something is put into the corpus under a name that says what it broke, and so is tried for ever after.

#![allow(clippy::panic, clippy::expect_used, reason = "test code: a panic is the report")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;

/// Bytes that a damaged input may have at most.
const LONGEST: usize = 64 << 10;

/// Numbers at which arithmetic goes wrong, and what is no number although one stood there.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "0.5",
    "null",
    "\"7\"",
];

/// Bytes that mean something to some parser.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\"\\{}[],:%&=+-0 \r\n*!~.<";

/// The folder of a parser's corpus.
fn folder(parser: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(parser)
}

/// The kept inputs of a parser, with their names, in order.
///
/// # Panics
/// When there are none: a test of nothing must not pass.
#[must_use]
pub fn corpus(parser: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(parser);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a readable file"))
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    /// The number that begins nearest behind the place becomes another one.
    Number(Index, &'static str),
    /// From here on another input of the corpus.
    Join(Index, Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop::sample::select(BYTES.to_vec());
    prop_oneof![
        3 => (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        2 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (any::<Index>(), prop::collection::vec(byte(), 1..8)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => any::<Index>().prop_map(Damage::Cut),
        6 => (any::<Index>(), prop::sample::select(NUMBERS.to_vec())).prop_map(|(at, to)| Damage::Number(at, to)),
        1 => any::<(Index, Index, Index)>().prop_map(|(at, other, from)| Damage::Join(at, other, from)),
    ]
}

/// Inputs made from the corpus of a parser by up to six kinds of damage.
pub fn damaged(parser: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let inputs: Vec<Vec<u8>> = corpus(parser).into_iter().map(|(_, bytes)| bytes).collect();
    (any::<Index>(), prop::collection::vec(damage(), 0..6)).prop_map(move |(which, damages)| {
        let mut bytes = which.get(&inputs).clone();
        for damage in damages {
            apply(&mut bytes, damage, &inputs);
        }
        bytes.truncate(LONGEST);
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, damage: Damage, inputs: &[Vec<u8>]) {
    let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match damage {
        Damage::Set(at, byte) => {
            let at = place(at, bytes);
            if let Some(target) = bytes.get_mut(at) {
                *target = byte;
            }
        }
        Damage::Flip(at, bit) => {
            let at = place(at, bytes);
            if let Some(target) = bytes.get_mut(at) {
                *target ^= 1 << bit;
            }
        }
        Damage::Insert(at, inserted) => {
            let at = place(at, bytes);
            bytes.splice(at..at, inserted);
        }
        Damage::Remove(at, length) => {
            let at = place(at, bytes);
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Damage::Repeat(at, length) => {
            let at = place(at, bytes);
            let end = (at + length).min(bytes.len());
            let part = bytes.get(at..end).unwrap_or_default().to_vec();
            bytes.splice(at..at, part);
        }
        Damage::Cut(at) => bytes.truncate(place(at, bytes)),
        Damage::Number(at, to) => {
            let at = place(at, bytes);
            let is_digit = |byte: &u8| byte.is_ascii_digit();
            let Some(first) = bytes.iter().skip(at).position(is_digit).map(|offset| at + offset) else {
                return;
            };
            let length = bytes.iter().skip(first).take_while(|byte| byte.is_ascii_digit()).count();
            bytes.splice(first..first + length, to.bytes());
        }
        Damage::Join(at, other, from) => {
            let at = place(at, bytes);
            let other = other.get(inputs);
            let from = place(from, other);
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(from..).unwrap_or_default());
        }
    }
}
