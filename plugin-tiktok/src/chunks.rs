//! How a file is split into chunks for upload (D-MTG, chunking rules).
//!
//! TikTok's documentation uses MB for 1,000,000 bytes in one place and for 1,048,576 in another, so every
//! number here is valid for both interpretations: chunks of 5,242,880 to 64,000,000 bytes, a last one of at
//! most 128,000,000, one chunk only for files of at most 64,000,000, with `chunk_size` equal to the file size.

use serde::{Deserialize, Serialize};

/// "4 GB", in the safe interpretation.
pub(crate) const MAX_SIZE: u64 = 4_000_000_000;

/// Small enough that a lost connection costs little and progress is visible; twice TikTok's minimum.
const MIN_CHUNK: u64 = 10_000_000;

/// 64 MB in the smaller interpretation. At 1 Mbit/s it can be sent within the 15 minutes that a host allows
/// for one call, as can the last chunk of up to twice that size at 1.2 Mbit/s.
const MAX_CHUNK: u64 = 64_000_000;

/// A lost connection costs at most a sixteenth of a large file, or one chunk of the largest size. More and
/// smaller chunks would cost a stored step and a round trip each.
const PARTS: u64 = 16;

/// A plan: all chunks have the same size, except the last, which also contains the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) size: u64,
    pub(crate) chunk: u64,
    pub(crate) count: u64,
}

/// None for an empty file and for one that TikTok does not accept.
pub(crate) fn plan(size: u64) -> Option<Plan> {
    if size == 0 || size > MAX_SIZE {
        return None;
    }
    // A file smaller than two chunks is sent as one, whose size must be the file's: 10 to 20 MB is a known trap.
    if size < 2 * MIN_CHUNK {
        return Some(Plan { size, chunk: size, count: 1 });
    }
    let chunk = (size / PARTS).clamp(MIN_CHUNK, MAX_CHUNK);
    // Rounded down: the rest goes with the last chunk.
    Some(Plan { size, chunk, count: size / chunk })
}

impl Plan {
    /// First byte and length of a chunk.
    pub(crate) fn range(&self, index: u64) -> (u64, u64) {
        let first = index.saturating_mul(self.chunk).min(self.size);
        let length = if self.is_last(index) { self.size - first } else { self.chunk.min(self.size - first) };
        (first, length)
    }

    pub(crate) fn is_last(&self, index: u64) -> bool {
        index.saturating_add(1) >= self.count
    }

    /// `Content-Range` of a chunk; its end is inclusive.
    pub(crate) fn content_range(&self, index: u64) -> String {
        let (first, length) = self.range(index);
        format!("bytes {first}-{}/{}", (first + length).saturating_sub(1), self.size)
    }

    /// The next chunk after TikTok's reported progress; None: TikTok has everything. It is not documented
    /// whether the progress is a count or the index of the last byte, so a number one below a boundary counts
    /// as the boundary.
    pub(crate) fn next_after(&self, uploaded: u64) -> Option<u64> {
        // TikTok's number, which may have any value.
        let next = uploaded.saturating_add(1);
        if next >= self.size && uploaded > 0 {
            return None;
        }
        Some((next / self.chunk.max(1)).min(self.count.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks every rule, each with the stricter interpretation of MB.
    fn assert_valid(size: u64) {
        let plan = plan(size).unwrap();
        assert_eq!(plan.count, size / plan.chunk, "rounded down: {size}");
        assert!((1..=1000).contains(&plan.count), "{size}");
        if plan.count == 1 {
            assert_eq!(plan.chunk, size, "one chunk is the whole file: {size}");
            assert!(size <= 64_000_000, "{size}");
        } else {
            assert!((5_242_880..=64_000_000).contains(&plan.chunk), "{size}");
        }
        let mut next = 0;
        for index in 0..plan.count {
            let (first, length) = plan.range(index);
            assert_eq!(first, next, "{size}");
            assert!(length > 0 && length <= 128_000_000, "{size}");
            assert!(plan.is_last(index) || length == plan.chunk, "{size}");
            next += length;
        }
        assert_eq!(next, size, "every byte once: {size}");
    }

    #[test]
    fn plans_hold_at_every_border() {
        for border in [
            1,
            4_194_304,
            5_000_000,
            5_242_879,
            5_242_880,
            9_999_999,
            10_000_000,
            19_999_999,
            20_000_000,
            50_000_123,
            64_000_000,
            64_000_001,
            66_259_900,
            67_108_864,
            67_108_865,
            121_000_000,
            128_000_000,
            128_000_001,
            134_217_728,
            158_008_374,
            159_999_999,
            160_000_000,
            1_024_000_000,
            1_073_741_824,
            3_999_999_999,
            4_000_000_000,
        ] {
            for size in [border - 1, border, border + 1] {
                if (1..=MAX_SIZE).contains(&size) {
                    assert_valid(size);
                }
            }
        }
        assert_eq!(plan(0), None);
        assert_eq!(plan(4_000_000_001), None);
    }

    #[test]
    fn plans_hold_at_sizes_all_over_the_range() {
        // A multiplicative generator with a full period over 32 bits: the same sizes in every run.
        let mut size: u64 = 1;
        for _ in 0..200_000 {
            size = (size * 1_664_525 + 1_013_904_223) % (1 << 32);
            if (1..=MAX_SIZE).contains(&size) {
                assert_valid(size);
            }
        }
    }

    #[test]
    fn ranges_are_inclusive() {
        let plan = plan(121_000_000).unwrap();
        assert_eq!((plan.chunk, plan.count), (10_000_000, 12));
        assert_eq!(plan.content_range(1), "bytes 10000000-19999999/121000000");
        assert_eq!(plan.content_range(11), "bytes 110000000-120999999/121000000");
    }

    #[test]
    fn progress_is_understood_as_count_and_as_index() {
        let plan = plan(121_000_000).unwrap();
        assert_eq!(plan.next_after(0), Some(0));
        assert_eq!(plan.next_after(10_000_000), Some(1));
        assert_eq!(plan.next_after(9_999_999), Some(1));
        assert_eq!(plan.next_after(10_500_000), Some(1), "what is half there is sent again");
        assert_eq!(plan.next_after(119_999_999), Some(11));
        assert_eq!(plan.next_after(120_999_999), None);
        assert_eq!(plan.next_after(121_000_000), None);
        assert_eq!(super::plan(1).unwrap().next_after(0), Some(0));
    }
}
