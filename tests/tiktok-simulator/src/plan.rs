//! Checks chunk plans (contract section 10, rules C1-C10). Pure arithmetic.

use crate::switches::Sizes;

/// Which number is wrong, by which rule, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) text: String,
}

const VIDEO: &str = "The video size is invalid";
const CHUNK: &str = "The chunk size is invalid";
const COUNT: &str = "The total chunk count is invalid";

pub(crate) fn judge(video: i64, chunk: i64, count: i64, sizes: Sizes) -> Result<(u64, u64, u64), Wrong> {
    let wrong = |message, rule, text: String| Err(Wrong { message, rule, text });
    let (Ok(size), Ok(chunk_size), Ok(count)) =
        (u64::try_from(video), u64::try_from(chunk), u64::try_from(count))
    else {
        return wrong(VIDEO, "9.2", "sizes and counts must not be negative".into());
    };
    if size == 0 || size > sizes.max_video {
        let text = format!("video_size must be 1 to {}, it is {size}", sizes.max_video);
        return wrong(VIDEO, "9.2, 10.4", text);
    }
    if chunk_size == 0 {
        return wrong(CHUNK, "10.1 C2", "chunk_size is 0".into());
    }
    if !(1..=1000).contains(&count) {
        return wrong(COUNT, "10.1 C6", format!("total_chunk_count must be 1 to 1000, it is {count}"));
    }
    if count == 1 {
        if chunk_size != size {
            let text = format!("one chunk means chunk_size = video_size; {chunk_size} is not {size}");
            return wrong(CHUNK, "10.1 C8, trap 23", text);
        }
        if size > sizes.max_chunk {
            let text = format!("a file over {} bytes needs more than one chunk", sizes.max_chunk);
            return wrong(CHUNK, "10.1 C5", text);
        }
        return Ok((size, chunk_size, count));
    }
    if chunk_size < sizes.min_chunk {
        let (rule, text) = if size < sizes.min_chunk {
            ("10.1 C4", format!("a file under {} bytes goes in one chunk", sizes.min_chunk))
        } else {
            ("10.1 C2, C10", format!("chunk_size {chunk_size} is below {}", sizes.min_chunk))
        };
        return wrong(CHUNK, rule, text);
    }
    if chunk_size > sizes.max_chunk {
        let text = format!("chunk_size {chunk_size} is above {}", sizes.max_chunk);
        return wrong(CHUNK, "10.1 C2, C10", text);
    }
    let floor = size / chunk_size;
    if count != floor {
        let (rule, text) = if count == size.div_ceil(chunk_size) {
            ("10.1 C9, trap 22", format!("rounded up to {count}; it is floor, {floor}"))
        } else {
            (
                "10.1 C1",
                format!("total_chunk_count must be floor({size} / {chunk_size}) = {floor}, it is {count}"),
            )
        };
        return wrong(COUNT, rule, text);
    }
    let last = size - (count - 1) * chunk_size;
    if last > sizes.max_last_chunk {
        let text = format!("the last chunk would have {last} bytes, more than {}", sizes.max_last_chunk);
        return wrong(CHUNK, "10.1 C3", text);
    }
    Ok((size, chunk_size, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switches::Megabyte;

    fn strict(video: i64, chunk: i64, count: i64) -> Result<(), &'static str> {
        judge(video, chunk, count, Megabyte::Intersection.sizes()).map(|_| ()).map_err(|wrong| wrong.rule)
    }

    #[test]
    fn the_worked_examples_of_the_contract() {
        for (video, chunk, count) in [
            (1, 1, 1),
            (4_194_304, 4_194_304, 1),
            (50_000_123, 10_000_000, 5),
            (30_567_100, 30_567_100, 1),
            (64_000_000, 64_000_000, 1),
            (64_000_001, 10_000_000, 6),
            (66_259_900, 10_000_000, 6),
            (121_000_000, 10_000_000, 12),
            (158_008_374, 5_242_880, 30),
            (4_294_967_296, 10_000_000, 429),
        ] {
            assert_eq!(strict(video, chunk, count), Ok(()), "{video} / {chunk} / {count}");
        }
        for (video, chunk, count, rule) in [
            (66_259_900, 64_000_000, 1, "10.1 C8, trap 23"),
            (121_000_000, 64_000_000, 1, "10.1 C8, trap 23"),
            (121_000_000, 10_000_000, 13, "10.1 C9, trap 22"),
            (158_008_374, 158_008_374, 1, "10.1 C5"),
            (19_999_999, 10_000_000, 1, "10.1 C8, trap 23"),
            (4_000_000, 2_000_000, 2, "10.1 C4"),
            (20_000_000, 5_000_000, 4, "10.1 C2, C10"),
            (134_217_728, 67_108_864, 2, "10.1 C2, C10"),
            (50_000_000, 10_000_000, 4, "10.1 C1"),
            (50_000_000, 10_000_000, 0, "10.1 C6"),
            (4_294_967_296, 5_242_880, 1001, "10.1 C6"),
            (0, 0, 0, "9.2, 10.4"),
            (4_294_967_297, 10_000_000, 429, "9.2, 10.4"),
            (-1, 1, 1, "9.2"),
        ] {
            assert_eq!(strict(video, chunk, count), Err(rule), "{video} / {chunk} / {count}");
        }
    }

    #[test]
    fn whatever_is_accepted_covers_the_file_within_the_limits() {
        let mut random = crate::random::Random::new(10);
        let mut draw = |most: u64| i64::try_from(1 + random.below(most)).unwrap();
        let mut accepted = 0;
        for _ in 0..20_000 {
            let size = draw(400_000_000);
            let chunk = if size % 3 == 0 { size } else { draw(70_000_000) };
            // Near the correct count, so that many are accepted and many are not.
            let count = (size / chunk + draw(3) - 2).max(0);
            for reading in [Megabyte::Intersection, Megabyte::Decimal, Megabyte::Binary] {
                let sizes = reading.sizes();
                let Ok((size, chunk, count)) = judge(size, chunk, count, sizes) else { continue };
                accepted += 1;
                let last = size - (count - 1) * chunk;
                assert!(count == size / chunk && last >= chunk && last < 2 * chunk);
                assert!(count == 1 || (sizes.min_chunk..=sizes.max_chunk).contains(&chunk));
                assert!(last <= sizes.max_last_chunk && (count > 1 || size <= sizes.max_chunk));
            }
            // The algorithm of 10.2 is always accepted.
            let (chunk, count) = if size <= 64_000_000 { (size, 1) } else { (10_000_000, size / 10_000_000) };
            assert_eq!(strict(size, chunk, count), Ok(()));
        }
        assert!(accepted > 1000, "only {accepted} plans were accepted");
    }

    #[test]
    fn both_readings_of_a_megabyte_can_be_played() {
        let judge_as =
            |reading: Megabyte, video, chunk, count| judge(video, chunk, count, reading.sizes()).is_ok();
        assert!(judge_as(Megabyte::Binary, 67_108_864, 67_108_864, 1));
        assert!(!judge_as(Megabyte::Decimal, 67_108_864, 67_108_864, 1));
        assert!(judge_as(Megabyte::Decimal, 20_000_000, 5_000_000, 4));
        assert!(!judge_as(Megabyte::Binary, 20_000_000, 5_000_000, 4));
        assert!(!judge_as(Megabyte::Decimal, 4_294_967_296, 10_000_000, 429));
    }
}
