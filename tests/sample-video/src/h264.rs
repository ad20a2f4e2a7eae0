//! H.264 without an encoder: every macroblock is I_PCM, the standard's own uncompressed kind. Any player
//! decodes it, and its size is known beforehand.

/// Pixels.
pub(crate) const WIDTH: usize = 384;
/// Pixels.
pub(crate) const HEIGHT: usize = 640;
/// Pixels, of a macroblock.
const BLOCK: usize = 16;
/// Level 5.1: the lowest whose bit rate allows thirty uncompressed frames a second.
pub(crate) const LEVEL: u8 = 51;
/// Baseline.
pub(crate) const PROFILE: u8 = 66;
/// The constraint flags of constrained baseline.
pub(crate) const CONSTRAINTS: u8 = 0b1100_0000;

/// Bits, highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn bit(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used % 8);
        }
        self.used += 1;
    }

    fn bits(&mut self, count: u32, value: u32) {
        for at in (0..count).rev() {
            self.bit(value >> at & 1 == 1);
        }
    }

    /// ue(v): an Exp-Golomb code.
    fn unsigned(&mut self, value: u32) {
        let length = 32 - (value + 1).leading_zeros();
        self.bits(length - 1, 0);
        self.bits(length, value + 1);
    }

    fn align(&mut self) {
        while !self.used.is_multiple_of(8) {
            self.bit(false);
        }
    }

    /// rbsp_trailing_bits.
    fn end(mut self) -> Vec<u8> {
        self.bit(true);
        self.align();
        self.bytes
    }
}

/// The sequence parameter set.
pub(crate) fn sequence_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.bits(8, PROFILE.into());
    bits.bits(8, CONSTRAINTS.into());
    bits.bits(8, LEVEL.into());
    bits.unsigned(0); // seq_parameter_set_id
    bits.unsigned(0); // log2_max_frame_num_minus4
    bits.unsigned(2); // pic_order_cnt_type: as decoded
    bits.unsigned(1); // max_num_ref_frames
    bits.bit(false); // gaps_in_frame_num_value_allowed_flag
    bits.unsigned((WIDTH / BLOCK - 1) as u32);
    bits.unsigned((HEIGHT / BLOCK - 1) as u32);
    bits.bit(true); // frame_mbs_only_flag
    bits.bit(true); // direct_8x8_inference_flag
    bits.bit(false); // frame_cropping_flag
    bits.bit(false); // vui_parameters_present_flag
    unit(0x67, &bits.end())
}

/// The picture parameter set.
pub(crate) fn picture_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.unsigned(0); // pic_parameter_set_id
    bits.unsigned(0); // seq_parameter_set_id
    bits.bits(2, 0); // CAVLC; no picture order in the slices
    bits.unsigned(0); // num_slice_groups_minus1
    bits.unsigned(0); // num_ref_idx_l0_default_active_minus1
    bits.unsigned(0); // num_ref_idx_l1_default_active_minus1
    bits.bits(3, 0); // no weighted prediction
    bits.unsigned(0); // pic_init_qp_minus26, signed, zero
    bits.unsigned(0); // pic_init_qs_minus26
    bits.unsigned(0); // chroma_qp_index_offset
    bits.bit(true); // deblocking_filter_control_present_flag
    bits.bits(2, 0);
    unit(0x68, &bits.end())
}

/// One independent picture: a gradient with a moving bar.
pub(crate) fn picture(number: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.unsigned(0); // first_mb_in_slice
    bits.unsigned(7); // slice_type: only I
    bits.unsigned(0); // pic_parameter_set_id
    bits.bits(4, 0); // frame_num
    bits.unsigned((number % 2) as u32); // idr_pic_id: neighbours differ
    bits.bits(2, 0); // dec_ref_pic_marking
    bits.unsigned(0); // slice_qp_delta
    bits.unsigned(1); // disable_deblocking_filter_idc
    const I_PCM: u32 = 25;
    for row in 0..HEIGHT / BLOCK {
        for column in 0..WIDTH / BLOCK {
            bits.unsigned(I_PCM);
            bits.align();
            block(&mut bits.bytes, number, column, row);
            bits.used = bits.bytes.len() as u32 * 8;
        }
    }
    unit(0x65, &bits.end())
}

/// Samples are between 16 and 235, so that none looks like a start code.
fn block(bytes: &mut Vec<u8>, number: usize, column: usize, row: usize) {
    let bar = number * 4 % WIDTH;
    for y in row * BLOCK..(row + 1) * BLOCK {
        for x in column * BLOCK..(column + 1) * BLOCK {
            let inside = (x + WIDTH - bar) % WIDTH < 24;
            bytes.push(if inside { 235 } else { 40 + (y * 120 / HEIGHT) as u8 });
        }
    }
    for chroma in 0..2 {
        for y in 0..BLOCK / 2 {
            for x in 0..BLOCK / 2 {
                let (x, y) = (column * BLOCK + 2 * x, row * BLOCK + 2 * y);
                bytes.push(if chroma == 0 {
                    96 + (x * 64 / WIDTH) as u8
                } else {
                    150 - (y * 64 / HEIGHT) as u8
                });
            }
        }
    }
}

/// A network abstraction layer unit, with emulation prevention bytes.
fn unit(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut unit = Vec::with_capacity(payload.len() + 16);
    unit.push(head);
    let mut zeros = 0;
    for byte in payload {
        if zeros == 2 && *byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        unit.push(*byte);
    }
    unit
}
