//! Fuzzing on the stable compiler, within the ordinary tests: inputs stored in `corpus/`, one folder for each
//! parser, and a strategy that mutates them.
//!
//! The tests are beside the parsers; `README.md` lists them. Each first runs the
//! corpus unchanged, then mutated. `PROPTEST_CASES=100000 cargo test fuzz` tests more cases. An input that found a
//! bug is added to the corpus under a name that describes the bug, so that it is tested from then on.

#![allow(clippy::panic, clippy::expect_used, reason = "test code: a panic is the report")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// The maximum size of a mutated input in bytes.
const LONGEST: usize = 64 << 10;

/// Numbers at the limits of arithmetic, and values that are not numbers.
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

/// Bytes that are special for some parser.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\"\\{}[],:%&=+-0 \r\n*!~.<";

/// The folder of a parser's corpus.
fn folder(parser: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(parser)
}

/// The stored inputs of a parser, with their names, in order.
/// None is a failure, because a test without inputs must not pass.
fn corpus(parser: &str) -> Vec<(String, Vec<u8>)> {
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

/// Runs a target on a parser's corpus, and then on mutated inputs.
///
/// # Panics
/// If the target does.
pub fn play(parser: &str, mut target: impl FnMut(&[u8])) {
    for (name, input) in corpus(parser) {
        println!("{parser}/{name}");
        target(&input);
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let target = std::cell::RefCell::new(target);
    let result = TestRunner::new(config).run(&damaged(parser), |input| {
        (target.borrow_mut())(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{parser}: {failure}");
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    /// Replaces the next number after the position.
    Number(Index, &'static str),
    /// Replaces the rest with another input of the corpus.
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

/// Inputs made from a parser's corpus by up to six mutations.
fn damaged(parser: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
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
