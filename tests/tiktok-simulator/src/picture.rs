//! Pictures for avatars and covers: small PNG files, each in a colour of its name. TikTok's are JPEG and WebP, whose
//! makers would be a dependency.

const WIDTH: u8 = 9;
const HEIGHT: u8 = 16;

/// A picture that differs by its name.
pub(crate) fn png(name: &str) -> Vec<u8> {
    let seed = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let [red, green, blue, _] = seed.wrapping_mul(2_654_435_761).to_be_bytes();
    let mut pixels = Vec::new();
    for row in 0..HEIGHT {
        // Each row begins with its filter: none.
        pixels.push(0);
        for _ in 0..WIDTH {
            pixels.extend([red, green, blue].map(|colour| (colour / 2).saturating_add(row * 6)));
        }
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    // Eight bits for each of red, green and blue; not interlaced.
    chunk(&mut file, b"IHDR", &[0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0]);
    chunk(&mut file, b"IDAT", &stored(&pixels));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    file.extend(u32::try_from(body.len()).unwrap_or_default().to_be_bytes());
    let named = [kind.as_slice(), body].concat();
    file.extend(&named);
    file.extend(crc32(&named).to_be_bytes());
}

/// A zlib stream of one block that is not compressed.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(bytes);
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    out.extend(((high << 16) | low).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(stored(b"Wikipedia").last_chunk::<4>(), Some(&0x11E6_0398_u32.to_be_bytes()));
        assert_ne!(png("a"), png("b"));
    }
}
