//! The inverse cosine transform of one 8 × 8 block, to the bit what libjpeg's accurate integer version ("islow", after
//! Loeffler, Ligtenberg and Moschytz 1989) makes of coefficients that a sane encoder wrote.
//! Not here: dequantisation (done while the coefficients are read).

use super::huffman::Block;
use crate::simd::Simd;

/// Samples a side of a block.
pub const SIDE: usize = 8;

/// Coefficients, in coded order, that lie in the first four rows and columns.
const LOW_CODED_MAX: usize = 10;
/// Fractional bits of the constants.
const CONSTANT_BITS: u32 = 13;
/// Bits that the first pass keeps beyond the integer.
const BETWEEN_BITS: u32 = 2;
/// Bits dropped after the first pass.
const FIRST_SHIFT: u32 = CONSTANT_BITS - BETWEEN_BITS;
/// Bits dropped after the second pass, with the transform's own factor of eight.
const SECOND_SHIFT: u32 = CONSTANT_BITS + BETWEEN_BITS + 3;

/// The rotations' sines and cosines, 13 fractional bits.
mod constant {
    pub const F_0_298631336: i32 = 2446;
    pub const F_0_390180644: i32 = 3196;
    pub const F_0_541196100: i32 = 4433;
    pub const F_0_765366865: i32 = 6270;
    pub const F_0_899976223: i32 = 7373;
    pub const F_1_175875602: i32 = 9633;
    pub const F_1_501321110: i32 = 12299;
    pub const F_1_847759065: i32 = 15137;
    pub const F_1_961570560: i32 = 16069;
    pub const F_2_053119869: i32 = 16819;
    pub const F_2_562915447: i32 = 20995;
    pub const F_3_072711026: i32 = 25172;
}

/// Writes the samples of a block: eight rows of eight, `stride` bytes apart.
#[inline(always)]
pub fn write_samples(simd: Simd, block: &Block, out: &mut [u8], stride: usize) {
    if block.coded == 1 {
        // Of the mean alone, both passes together are one rounded division by eight.
        let sample = (((i32::from(block.coefficients[0]) + 4) >> 3) + 128).clamp(0, 255) as u8;
        rows(out, stride).for_each(|row| *row = [sample; SIDE]);
        return;
    }
    let samples = match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
        Simd::Avx2(_) => unsafe {
            match block.coded <= LOW_CODED_MAX {
                true => avx2::samples::<true>(&block.coefficients),
                false => avx2::samples::<false>(&block.coefficients),
            }
        },
        Simd::Portable => portable::samples(&block.coefficients),
    };
    rows(out, stride).zip(samples).for_each(|(row, samples)| *row = samples);
}

/// The first eight bytes of eight rows.
#[inline(always)]
fn rows(out: &mut [u8], stride: usize) -> impl Iterator<Item = &mut [u8; SIDE]> {
    out.chunks_mut(stride).take(SIDE).map(|row| row.first_chunk_mut().expect("a block lies inside its plane"))
}

mod portable {
    use super::{BETWEEN_BITS, CONSTANT_BITS, FIRST_SHIFT, SECOND_SHIFT, SIDE, constant as c};

    /// Eight numbers that are treated alike.
    type Lanes = [i32; SIDE];

    pub fn samples(coefficients: &[i16; 64]) -> [[u8; SIDE]; SIDE] {
        let mut rows = [[0; SIDE]; SIDE];
        for (row, from) in rows.iter_mut().zip(coefficients.as_chunks::<SIDE>().0) {
            *row = from.map(i32::from);
        }
        let columns = transposed(pass(rows, 1 << (FIRST_SHIFT - 1), FIRST_SHIFT));
        let centre = 128 << SECOND_SHIFT;
        let samples = transposed(pass(columns, centre + (1 << (SECOND_SHIFT - 1)), SECOND_SHIFT));
        samples.map(|row| row.map(|sample| sample.clamp(0, 255) as u8))
    }

    fn transposed(from: [Lanes; SIDE]) -> [Lanes; SIDE] {
        std::array::from_fn(|row| std::array::from_fn(|column| from[column][row]))
    }

    /// One-dimensional transform across the vectors, the same in every lane.
    fn pass(input: [Lanes; SIDE], rounding: i32, shift: u32) -> [Lanes; SIDE] {
        let mut out = [[0; SIDE]; SIDE];
        for lane in 0..SIDE {
            let column = one(input.map(|lanes| lanes[lane]), rounding, shift);
            (0..SIDE).for_each(|row| out[row][lane] = column[row]);
        }
        out
    }

    fn one(v: [i32; SIDE], rounding: i32, shift: u32) -> [i32; SIDE] {
        let mul = |value: i32, constant: i32| value.wrapping_mul(constant);
        let add = |a: i32, b: i32| a.wrapping_add(b);
        let sub = |a: i32, b: i32| a.wrapping_sub(b);
        let z1 = mul(add(v[2], v[6]), c::F_0_541196100);
        let (t2, t3) = (sub(z1, mul(v[6], c::F_1_847759065)), add(z1, mul(v[2], c::F_0_765366865)));
        let (t0, t1) = (add(v[0], v[4]) << CONSTANT_BITS, sub(v[0], v[4]) << CONSTANT_BITS);
        let even = [add(t0, t3), add(t1, t2), sub(t1, t2), sub(t0, t3)].map(|value| add(value, rounding));

        let (z1, z2, z3, z4) = (add(v[7], v[1]), add(v[5], v[3]), add(v[7], v[3]), add(v[5], v[1]));
        let z5 = mul(add(z3, z4), c::F_1_175875602);
        let (z1, z2) = (mul(z1, -c::F_0_899976223), mul(z2, -c::F_2_562915447));
        let (z3, z4) = (add(mul(z3, -c::F_1_961570560), z5), add(mul(z4, -c::F_0_390180644), z5));
        let odd = [
            add(mul(v[1], c::F_1_501321110), add(z1, z4)),
            add(mul(v[3], c::F_3_072711026), add(z2, z3)),
            add(mul(v[5], c::F_2_053119869), add(z2, z4)),
            add(mul(v[7], c::F_0_298631336), add(z1, z3)),
        ];
        let mut out = [0; SIDE];
        for i in 0..SIDE / 2 {
            out[i] = add(even[i], odd[i]) >> shift;
            out[SIDE - 1 - i] = sub(even[i], odd[i]) >> shift;
        }
        out
    }

    const _: () = assert!(BETWEEN_BITS + 3 + CONSTANT_BITS == SECOND_SHIFT, "the shifts undo the scaling");
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CONSTANT_BITS, FIRST_SHIFT, SECOND_SHIFT, SIDE, constant as c};
    use std::arch::x86_64::*;

    /// The same as the portable version, eight lanes at once. Of a `LOW` block it is known that all but the first four rows
    /// and columns are zero, which the compiler makes use of.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    #[inline]
    pub fn samples<const LOW: bool>(coefficients: &[i16; 64]) -> [[u8; SIDE]; SIDE] {
        let rows = coefficients.as_chunks::<SIDE>().0;
        let known = if LOW { SIDE / 2 } else { SIDE };
        let mut v = [_mm256_setzero_si256(); SIDE];
        for (vector, row) in v.iter_mut().zip(rows).take(known) {
            let [a, b, c, d, e, f, g, h] = *row;
            *vector = _mm256_cvtepi16_epi32(_mm_set_epi16(h, g, f, e, d, c, b, a));
        }
        let mut v = transposed(pass::<{ FIRST_SHIFT as i32 }>(v, 1 << (FIRST_SHIFT - 1)));
        v[known..].fill(_mm256_setzero_si256());
        let centre = 128 << SECOND_SHIFT;
        let v = pass::<{ SECOND_SHIFT as i32 }>(v, centre + (1 << (SECOND_SHIFT - 1)));
        bytes(v)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn pass<const SHIFT: i32>(v: [__m256i; SIDE], rounding: i32) -> [__m256i; SIDE] {
        let mul = |value, constant: i32| _mm256_mullo_epi32(value, _mm256_set1_epi32(constant));
        let add = |a, b| _mm256_add_epi32(a, b);
        let sub = |a, b| _mm256_sub_epi32(a, b);
        let z1 = mul(add(v[2], v[6]), c::F_0_541196100);
        let (t2, t3) = (sub(z1, mul(v[6], c::F_1_847759065)), add(z1, mul(v[2], c::F_0_765366865)));
        let t0 = _mm256_slli_epi32::<{ CONSTANT_BITS as i32 }>(add(v[0], v[4]));
        let t1 = _mm256_slli_epi32::<{ CONSTANT_BITS as i32 }>(sub(v[0], v[4]));
        let rounding = _mm256_set1_epi32(rounding);
        let (t0, t1) = (add(t0, rounding), add(t1, rounding));
        let even = [add(t0, t3), add(t1, t2), sub(t1, t2), sub(t0, t3)];

        let (z1, z2, z3, z4) = (add(v[7], v[1]), add(v[5], v[3]), add(v[7], v[3]), add(v[5], v[1]));
        let z5 = mul(add(z3, z4), c::F_1_175875602);
        let (z1, z2) = (mul(z1, -c::F_0_899976223), mul(z2, -c::F_2_562915447));
        let (z3, z4) = (add(mul(z3, -c::F_1_961570560), z5), add(mul(z4, -c::F_0_390180644), z5));
        let odd = [
            add(mul(v[1], c::F_1_501321110), add(z1, z4)),
            add(mul(v[3], c::F_3_072711026), add(z2, z3)),
            add(mul(v[5], c::F_2_053119869), add(z2, z4)),
            add(mul(v[7], c::F_0_298631336), add(z1, z3)),
        ];
        let mut out = [_mm256_setzero_si256(); SIDE];
        for i in 0..SIDE / 2 {
            out[i] = _mm256_srai_epi32::<SHIFT>(add(even[i], odd[i]));
            out[SIDE - 1 - i] = _mm256_srai_epi32::<SHIFT>(sub(even[i], odd[i]));
        }
        out
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn transposed(v: [__m256i; SIDE]) -> [__m256i; SIDE] {
        let pairs = |a, b| (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let fours = |a, b| (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        let ((a0, a1), (a2, a3)) = (pairs(v[0], v[1]), pairs(v[2], v[3]));
        let ((a4, a5), (a6, a7)) = (pairs(v[4], v[5]), pairs(v[6], v[7]));
        let ((b0, b1), (b2, b3)) = (fours(a0, a2), fours(a1, a3));
        let ((b4, b5), (b6, b7)) = (fours(a4, a6), fours(a5, a7));
        let lower = |a, b| _mm256_permute2x128_si256::<0x20>(a, b);
        let upper = |a, b| _mm256_permute2x128_si256::<0x31>(a, b);
        [
            lower(b0, b4),
            lower(b1, b5),
            lower(b2, b6),
            lower(b3, b7),
            upper(b0, b4),
            upper(b1, b5),
            upper(b2, b6),
            upper(b3, b7),
        ]
    }

    /// Clamps to bytes and turns columns into rows.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn bytes(v: [__m256i; SIDE]) -> [[u8; SIDE]; SIDE] {
        // Vector i holds column i, a row a lane. After packing, each half holds four rows of columns in fours.
        let left = _mm256_packs_epi32(v[0], v[1]);
        let left2 = _mm256_packs_epi32(v[2], v[3]);
        let right = _mm256_packs_epi32(v[4], v[5]);
        let right2 = _mm256_packs_epi32(v[6], v[7]);
        // Half: column 0 rows 0–3, column 1 rows 0–3, column 2 …, column 3 … (the upper half: rows 4–7).
        let (left, right) = (_mm256_packus_epi16(left, left2), _mm256_packus_epi16(right, right2));
        let order = _mm256_set_epi8(
            15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0, //
            15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0,
        );
        let (left, right) = (_mm256_shuffle_epi8(left, order), _mm256_shuffle_epi8(right, order));
        let (first, second) = (_mm256_unpacklo_epi32(left, right), _mm256_unpackhi_epi32(left, right));
        [
            _mm256_extract_epi64::<0>(first),
            _mm256_extract_epi64::<1>(first),
            _mm256_extract_epi64::<0>(second),
            _mm256_extract_epi64::<1>(second),
            _mm256_extract_epi64::<2>(first),
            _mm256_extract_epi64::<3>(first),
            _mm256_extract_epi64::<2>(second),
            _mm256_extract_epi64::<3>(second),
        ]
        .map(i64::to_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The transform by its definition, in floating point.
    fn exact(coefficients: &[i16; 64]) -> Vec<f64> {
        let basis = |position: usize, frequency: usize| {
            let scale = if frequency == 0 { 0.5f64.sqrt() } else { 1.0 };
            scale * ((2 * position + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos()
        };
        let sample = |at: usize| {
            let terms = coefficients.iter().enumerate();
            let sum: f64 =
                terms.map(|(i, &value)| f64::from(value) * basis(at / 8, i / 8) * basis(at % 8, i % 8)).sum();
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        };
        (0..64).map(sample).collect()
    }

    fn samples(simd: Simd, block: &Block) -> Vec<u8> {
        let mut out = vec![7; 10 * SIDE];
        write_samples(simd, block, &mut out, 10);
        assert!(
            out.chunks(10).all(|row| row[SIDE..].iter().all(|&byte| byte == 7)),
            "nothing beside the block is touched"
        );
        out.chunks(10).flat_map(|row| row[..SIDE].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn samples_are_those_of_the_definition_within_one(
            sparse in prop::collection::vec((0usize..64, -300i16..300), 0..12), mean in -1024i16..1024,
        ) {
            let mut coefficients = [0; 64];
            sparse.iter().for_each(|&(at, value)| coefficients[at] = value);
            coefficients[0] = mean;
            let coded = if coefficients[1..].iter().all(|&value| value == 0) { 1 } else { 64 };
            let found = samples(Simd::detect(), &Block { coefficients, coded });
            for (found, expected) in found.iter().zip(exact(&coefficients)) {
                prop_assert!((f64::from(*found) - expected).abs() <= 1.0, "{found} instead of {expected}");
            }
        }

        #[test]
        fn vector_instructions_change_no_bit_of_any_block(coefficients in prop::array::uniform(any::<i16>())) {
            let block = Block { coefficients, coded: 64 };
            prop_assert_eq!(samples(Simd::Portable, &block), samples(Simd::detect(), &block));
        }

        #[test]
        fn a_block_of_low_frequencies_is_what_the_whole_transform_makes_of_it(low in prop::array::uniform10(any::<i16>())) {
            let mut coefficients = [0; 64];
            let places = (0..4).flat_map(|row| (0..4 - row).map(move |column| row * SIDE + column));
            places.zip(low).for_each(|(at, value)| coefficients[at] = value);
            let whole = samples(Simd::detect(), &Block { coefficients, coded: 64 });
            prop_assert_eq!(samples(Simd::detect(), &Block { coefficients, coded: LOW_CODED_MAX }), whole);
        }

        #[test]
        fn a_mean_alone_is_what_the_whole_transform_makes_of_it(mean in any::<i16>()) {
            let mut coefficients = [0; 64];
            coefficients[0] = mean;
            let whole = samples(Simd::Portable, &Block { coefficients, coded: 64 });
            prop_assert_eq!(samples(Simd::Portable, &Block { coefficients, coded: 1 }), whole);
        }
    }
}
