//! Seeded randomness: the same world and the same requests give the same ids and tokens.
//! Not for real secrets.

use sha2::{Digest, Sha256};

/// First item id. Far above 2^53, so that a client which reads ids as doubles gets dead links.
const FIRST_ID: u64 = 7_570_000_000_000_000_001;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
    next_id: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0, next_id: FIRST_ID }
    }

    fn block(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.drawn.to_be_bytes());
        hash.finalize().into()
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.block()[..8]);
        u64::from_be_bytes(eight) % bound.max(1)
    }

    /// `len` letters and digits.
    pub(crate) fn text(&mut self, len: usize) -> String {
        let mut out = String::with_capacity(len);
        while out.len() < len {
            for byte in self.block() {
                if out.len() < len {
                    out.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
                }
            }
        }
        out
    }

    pub(crate) fn hex_upper(&mut self, len: usize) -> String {
        let mut text = hex::encode_upper(self.block());
        text.truncate(len);
        text
    }

    /// A fresh 19-digit id: odd, so that no double can hold it exactly.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 2 * (1 + self.below(4000));
        self.next_id
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

/// A stable UUID-like id from parts, for `open_id` (per app and account) and `union_id` (per developer).
pub(crate) fn stable_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex = hex::encode(hash.finalize());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_survive_a_double() {
        let mut random = Random::new(1);
        for _ in 0..100 {
            let id = random.id();
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let through_double = id as f64 as u64;
            assert_ne!(id, through_double);
            assert_eq!(id.to_string().len(), 19);
        }
    }

    #[test]
    fn same_seed_same_text() {
        assert_eq!(Random::new(7).text(40), Random::new(7).text(40));
        assert_ne!(Random::new(7).text(40), Random::new(8).text(40));
    }
}
