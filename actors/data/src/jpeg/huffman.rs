//! Huffman codes of a baseline scan: tables, the bit reader, and the coefficients of one block.
//! Not here: where blocks lie (see `planes`), or progressive scans (zune-jpeg reads those).
//!
//! One look into a table of 1,024 entries gives a coefficient's run, value and length in bits, whenever code and value
//! together fit ten bits; that is nearly always (ITU T.81, annex F.2.2, rearranged).

/// Bits that one look resolves.
const LOOKUP_BITS: u32 = 10;
/// Set in an entry that one look does not resolve: the value bits did not fit (the upper half says how many there are), or
/// not even the code did (no other bit is set).
const UNRESOLVED: u32 = 0x80;
/// The run of an end-of-block: past the last coefficient from anywhere.
const RUN_END: u32 = 64;
/// Most bits of a code.
const CODE_BITS_MAX: usize = 16;

/// Natural (row by row) place of each coefficient in coded order.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Where each coefficient, in coded order, lies in a block row by row, and what it is to be multiplied by.
pub type Quantisation = [(u8, i16); 64];

/// A quantisation table from its steps in coded order.
pub fn quantisation(steps: &[u8; 64]) -> Quantisation {
    std::array::from_fn(|i| (ZIGZAG[i], i16::from(steps[i])))
}

/// The coefficients of a block, row by row, and how many of them (in coded order) may differ from zero.
pub struct Block {
    /// Dequantised coefficients.
    pub coefficients: [i16; 64],
    /// One past the last coded coefficient in coded order.
    pub coded: usize,
}

/// What a table codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Differences of the mean.
    Dc,
    /// All other coefficients.
    Ac,
}

/// One Huffman table. An entry of `lookup`: bits 0–6 bits consumed, bit 7 [`UNRESOLVED`], bits 8–15 run, bits 16–31
/// value.
pub struct HuffmanTable {
    /// The definition that it was built from: a table that comes again is not built again.
    definition: Vec<u8>,
    class: Class,
    lookup: Box<[u32; 1 << LOOKUP_BITS]>,
    /// One past the last code of each length, aligned to the left of 16 bits; a length without codes repeats the last.
    ends: [u32; CODE_BITS_MAX + 1],
    /// Index of a length's first symbol minus its first code.
    offsets: [i32; CODE_BITS_MAX + 1],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// A table that is built when it is first defined.
    pub fn new(class: Class) -> Self {
        Self {
            definition: Vec::new(),
            class,
            lookup: Box::new([UNRESOLVED; 1 << LOOKUP_BITS]),
            ends: [0; CODE_BITS_MAX + 1],
            offsets: [0; CODE_BITS_MAX + 1],
            symbols: Vec::new(),
        }
    }

    /// Builds the table from its definition in a DHT segment (16 counts, then the symbols); `None` when it is not a
    /// code. On failure the table must be defined anew before it is used.
    pub fn define(&mut self, definition: &[u8]) -> Option<()> {
        if self.definition == definition {
            return Some(());
        }
        self.definition.clear();
        let (counts, symbols) = definition.split_at_checked(CODE_BITS_MAX)?;
        if counts.iter().map(|&count| usize::from(count)).sum::<usize>() != symbols.len() {
            return None;
        }
        self.lookup.fill(UNRESOLVED);
        self.symbols.clear();
        self.symbols.extend_from_slice(symbols);
        let (mut code, mut number) = (0u32, 0usize);
        for (bits, &count) in (1u32..).zip(counts) {
            code <<= 1;
            self.offsets[bits as usize] = number as i32 - code as i32;
            for &symbol in &symbols[number..number + usize::from(count)] {
                if code >> bits != 0 {
                    return None;
                }
                self.fill(code, bits, symbol)?;
                code += 1;
            }
            number += usize::from(count);
            self.ends[bits as usize] = code << (CODE_BITS_MAX as u32 - bits);
        }
        self.definition.extend_from_slice(definition);
        Some(())
    }

    /// Fills the entries that begin with a code; `None` when the symbol can't occur in 8-bit baseline images.
    fn fill(&mut self, code: u32, bits: u32, symbol: u8) -> Option<()> {
        let (run, size) = self.class.run_and_size(symbol.into());
        if size > 11 || (self.class == Class::Ac && size > 10) {
            return None;
        }
        if bits > LOOKUP_BITS {
            return Some(());
        }
        let first = (code << (LOOKUP_BITS - bits)) as usize;
        for (below, entry) in (0u32..).zip(&mut self.lookup[first..first + (1 << (LOOKUP_BITS - bits))]) {
            *entry = if bits + size > LOOKUP_BITS {
                bits | UNRESOLVED | run << 8 | size << 16
            } else {
                let value = extended(below >> (LOOKUP_BITS - bits - size), size);
                (bits + size) | run << 8 | (value as u32) << 16
            };
        }
        Some(())
    }

    /// A code that is longer than a look, with its value bits, from the next bits, the first one on top.
    #[inline(never)]
    fn long_code(&self, window: u64) -> Option<Coded> {
        let front = |bits: u32| (window >> (64 - bits)) as u32;
        let code = front(CODE_BITS_MAX as u32);
        let bits = (1..=CODE_BITS_MAX).find(|&bits| code < self.ends[bits])?;
        let number = (code >> (CODE_BITS_MAX - bits)) as i32 + self.offsets[bits];
        let symbol = u32::from(*self.symbols.get(usize::try_from(number).ok()?)?);
        let (run, size) = self.class.run_and_size(symbol);
        let bits = bits as u32;
        let value = if size == 0 { 0 } else { extended(front(bits + size) & ((1 << size) - 1), size) };
        Some(Coded { bits: bits + size, run, value })
    }
}

impl Class {
    /// Zeros before a coefficient and bits of its value.
    fn run_and_size(self, symbol: u32) -> (u32, u32) {
        match self {
            Self::Dc => (0, symbol),
            Self::Ac if symbol == 0 => (RUN_END, 0),
            Self::Ac => (symbol >> 4, symbol & 15),
        }
    }
}

/// One code with its value bits.
struct Coded {
    /// Bits of both.
    bits: u32,
    /// Zeros before the coefficient.
    run: u32,
    value: i32,
}

/// A value of `size` bits as T.81 codes it: those whose first bit is 0 are negative.
#[inline(always)]
fn extended(bits: u32, size: u32) -> i32 {
    let half = (1 << size) >> 1;
    if bits < half { bits as i32 - (1 << size) + 1 } else { bits as i32 }
}

/// Reads bits, first one first, from bytes without stuffing that are followed by [`BitReader::PADDING`] zeros.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next bits, the first one on top.
    window: u64,
    /// How many of them are real.
    bits: u32,
    /// The next byte to go into the window.
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Zeros that must follow the data: more than one block can take.
    pub const PADDING: usize = 64 * 4 + 16;

    /// Reads from the start of `bytes`, padding included.
    pub fn new(bytes: &'a [u8]) -> Self {
        assert!(bytes.len() >= Self::PADDING, "the data is padded");
        Self { bytes, window: 0, bits: 0, at: 0 }
    }

    /// Whether no more bits were taken than there were before the padding.
    #[inline(always)]
    pub fn is_within_data(&self) -> bool {
        self.at - (self.bits / 8) as usize <= self.bytes.len() - Self::PADDING
    }

    /// Whether all whole bytes before the padding were taken.
    pub fn is_at_end(&self) -> bool {
        self.is_within_data() && self.at - (self.bits / 8) as usize + 1 > self.bytes.len() - Self::PADDING
    }

    /// At least 56 bits in the window: more than any code and its value have.
    #[inline(always)]
    fn refill(&mut self) {
        // The padding is longer than what a block takes between two checks, so the read stays inside the bytes.
        if let Some(next) = self.bytes.get(self.at..).and_then(|bytes| bytes.first_chunk::<8>()) {
            self.window |= u64::from_be_bytes(*next) >> self.bits;
            self.at += ((63 - self.bits) >> 3) as usize;
            self.bits |= 56;
        }
    }

    /// The run and value of the next code.
    #[inline(always)]
    fn run_and_value(&mut self, table: &HuffmanTable) -> Option<(u32, i32)> {
        self.refill();
        let entry = table.lookup[(self.window >> (64 - LOOKUP_BITS)) as usize];
        let (bits, run, value) = (entry & 0x7F, entry >> 8 & 0xFF, entry as i32 >> 16);
        let coded = if entry & UNRESOLVED == 0 {
            Coded { bits, run, value }
        } else if entry != UNRESOLVED {
            let size = value as u32;
            Coded { bits: bits + size, run, value: extended((self.window << bits >> (64 - size)) as u32, size) }
        } else {
            table.long_code(self.window)?
        };
        self.window <<= coded.bits;
        self.bits = self.bits.wrapping_sub(coded.bits);
        Some((coded.run, coded.value))
    }

    /// Reads one block: the DC value is a difference to `mean`, which moves on. `None` when the bits are no block.
    #[inline(always)]
    pub fn read_block(
        &mut self,
        (dc, ac): (&HuffmanTable, &HuffmanTable),
        quantisation: &Quantisation,
        mean: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        *block = Block { coefficients: [0; 64], coded: 1 };
        let (_, difference) = self.run_and_value(dc)?;
        *mean = mean.wrapping_add(difference);
        block.coefficients[0] = (*mean as i16).wrapping_mul(quantisation[0].1);
        let mut next = 1;
        loop {
            let (run, value) = self.run_and_value(ac)?;
            next += run as usize;
            let Some(&(place, step)) = quantisation.get(next) else {
                return (run == RUN_END).then_some(());
            };
            block.coefficients[usize::from(place) & 63] = (value as i16).wrapping_mul(step);
            next += 1;
            block.coded = next;
            if next == 64 {
                return Some(());
            }
        }
    }

    /// [`BitReader::read_block`] without keeping anything but the mean.
    #[inline(always)]
    pub fn skip_block(&mut self, (dc, ac): (&HuffmanTable, &HuffmanTable), mean: &mut i32) -> Option<()> {
        let (_, difference) = self.run_and_value(dc)?;
        *mean = mean.wrapping_add(difference);
        let mut next = 1;
        loop {
            let (run, _) = self.run_and_value(ac)?;
            next += run as usize + 1;
            if next >= 64 {
                return (next == 64 || run == RUN_END).then_some(());
            }
        }
    }
}
