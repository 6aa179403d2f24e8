//! Baseline JPEG, in one scan or several → its planes as stored (luma, and chroma at its own resolution), only as far as a
//! crop needs them.
//! Not here: colours and sizes (see `rgb`, `planar`). Not for: progressive, arithmetic, 4-component or RGB-coded images:
//! those are left to zune-jpeg.
//!
//! Bits are read to the end whatever the crop, so that damage is found wherever it is; only the inverse cosine transform
//! of blocks outside the crop is left out.

use super::huffman::{BitReader, Block, Class, HuffmanTable, Quantisation, quantisation};
use super::{APP0, APP14, DHT, DQT, DRI, EOI, JpegHeader, RST_FIRST, SOF_EXTENDED, SOS, inverse_dct, next_segment};
use crate::geometry::{CropBox, Size};
use crate::limits;
use crate::simd::Simd;
use inverse_dct::SIDE;
use picture::chroma_box;

mod picture;

pub use picture::{PlanarPicture, Plane};

/// Components that are taken: one, or three.
const COMPONENTS_MAX: usize = 3;
/// Tables of each kind that a file may define.
const TABLES: usize = 4;

/// A box and one sample more each way, as upsampling wants them; perhaps beyond the plane's right and bottom edges.
fn with_neighbours(part: CropBox) -> CropBox {
    let (x, y) = (part.x.saturating_sub(1), part.y.saturating_sub(1));
    CropBox { x, y, width: part.x + part.width + 1 - x, height: part.y + part.height + 1 - y }
}

/// One component as the frame and scan headers describe it.
#[derive(Clone, Copy, Default)]
struct Component {
    id: u8,
    /// Blocks of a unit (MCU) across and down, in a scan of several components.
    blocks: (usize, usize),
    quantisation: usize,
    dc: usize,
    ac: usize,
    /// Blocks of the whole plane across and down, whole units.
    plane_blocks: (usize, usize),
    /// Blocks that hold a sample of the image: those of a scan of this component alone.
    own_blocks: (usize, usize),
    /// Blocks that the crop needs: first and end across, first and end down.
    needed: [usize; 4],
    /// Whether the scan at hand holds it, and whether an earlier one did.
    in_scan: bool,
    is_read: bool,
    /// Blocks of a unit in the scan at hand.
    unit: (usize, usize),
}

/// Why there are no planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An image of a kind that is not for this reader.
    NotForThis,
    /// Blocks are missing, or hold what no encoder writes.
    Damaged,
}

use Refusal::{Damaged, NotForThis};

/// Reads planes; keeps tables and buffers between images.
pub struct PlanesReader {
    simd: Simd,
    /// Of the image.
    size: Size,
    /// Pixels across and down that a chroma sample stands for.
    subsampling: (u32, u32),
    dc: [HuffmanTable; TABLES],
    ac: [HuffmanTable; TABLES],
    quantisation: [Quantisation; TABLES],
    /// Which tables this image has defined: quantisation, DC, AC.
    defined: [[bool; TABLES]; 3],
    components: Vec<Component>,
    restart_interval: usize,
    /// Entropy-coded bytes without stuffing, padded.
    coded: Vec<u8>,
    planes: [Vec<u8>; COMPONENTS_MAX],
}

impl PlanesReader {
    /// A reader without buffers yet.
    pub fn new(simd: Simd) -> Self {
        Self {
            simd,
            size: Size { width: 0, height: 0 },
            subsampling: (1, 1),
            dc: std::array::from_fn(|_| HuffmanTable::new(Class::Dc)),
            ac: std::array::from_fn(|_| HuffmanTable::new(Class::Ac)),
            quantisation: [[(0, 0); 64]; TABLES],
            defined: [[false; TABLES]; 3],
            components: Vec::new(),
            restart_interval: 0,
            coded: Vec::new(),
            planes: Default::default(),
        }
    }

    /// Reads the planes of a JPEG whose header was read, right wherever the box `needed` lies on them.
    pub(crate) fn read(&mut self, bytes: &[u8], header: &JpegHeader, needed: CropBox) -> Result<(), Refusal> {
        if !header.has_planes {
            return Err(NotForThis);
        }
        self.size = header.size;
        self.read_segments(bytes, needed)
    }

    /// Gives back what a large image left behind.
    pub(crate) fn trim(&mut self) {
        self.planes.iter_mut().chain([&mut self.coded]).for_each(limits::trim_buffer);
    }

    /// What was read last.
    pub fn picture(&self) -> PlanarPicture<'_> {
        let plane = |number: usize, (across, down): (u32, u32)| Plane {
            size: Size { width: self.size.width.div_ceil(across), height: self.size.height.div_ceil(down) },
            stride: self.components[number].plane_blocks.0 * SIDE,
            samples: &self.planes[number],
        };
        let subsampling = self.subsampling;
        let chroma = (self.components.len() == COMPONENTS_MAX).then(|| [plane(1, subsampling), plane(2, subsampling)]);
        PlanarPicture { size: self.size, luma: plane(0, (1, 1)), chroma, subsampling }
    }

    /// Reads all segments and scans, to the end of the image.
    fn read_segments(&mut self, bytes: &[u8], needed: CropBox) -> Result<(), Refusal> {
        self.components.clear();
        self.restart_interval = 0;
        self.defined = Default::default();
        let (mut is_jfif, mut adobe_transform) = (false, None);
        let mut at = 2;
        loop {
            let (marker, segment, next) = next_segment(bytes, at).ok_or(Damaged)?;
            at = next;
            match marker {
                DQT => self.read_quantisation(segment).ok_or(NotForThis)?,
                DHT => self.read_huffman(segment).ok_or(NotForThis)?,
                DRI => {
                    let interval = segment.first_chunk().ok_or(Damaged)?;
                    self.restart_interval = usize::from(u16::from_be_bytes(*interval));
                }
                APP0 => is_jfif |= segment.starts_with(b"JFIF\0"),
                APP14 => adobe_transform = segment.strip_prefix(b"Adobe").and_then(|rest| rest.get(6)).copied(),
                super::SOF_BASELINE..=SOF_EXTENDED => {
                    self.read_frame(segment).and_then(|()| self.lay_out(needed)).ok_or(NotForThis)?;
                }
                SOS => {
                    if self.is_rgb(is_jfif, adobe_transform) {
                        return Err(NotForThis);
                    }
                    self.read_scan_header(segment).ok_or(NotForThis)?;
                    at = match self.simd {
                        #[cfg(target_arch = "x86_64")]
                        // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
                        Simd::Avx2(_) => unsafe { self.read_scan_avx2(bytes, next)? },
                        Simd::Portable => self.read_scan(bytes, next)?,
                    };
                }
                EOI => {
                    let is_whole = self.components.iter().all(|component| component.is_read);
                    return if is_whole { Ok(()) } else { Err(Damaged) };
                }
                _ => {}
            }
        }
    }

    /// Whether three components are red, green and blue, as libjpeg finds out: JFIF knows only YCbCr, then Adobe's word
    /// counts, then the names of the components.
    fn is_rgb(&self, is_jfif: bool, adobe_transform: Option<u8>) -> bool {
        let is_colour = self.components.len() == COMPONENTS_MAX;
        let named_rgb = || self.components.iter().map(|component| component.id).eq(*b"RGB");
        is_colour && !is_jfif && adobe_transform.map_or_else(named_rgb, |transform| transform == 0)
    }

    fn read_quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&name, rest)) = segment.split_first() {
            // Upper half: 0 for 8 bits a value, the only form a baseline image has.
            let number = usize::from(name);
            let (values, rest) = rest.split_first_chunk::<64>()?;
            *self.quantisation.get_mut(number)? = quantisation(values);
            self.defined[0][number] = true;
            segment = rest;
        }
        Some(())
    }

    fn read_huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&name, rest)) = segment.split_first() {
            let symbols: usize = rest.get(..16)?.iter().map(|&count| usize::from(count)).sum();
            let (definition, rest) = rest.split_at_checked(16 + symbols)?;
            let number = usize::from(name & 15);
            let (tables, kind) = match name >> 4 {
                0 => (&mut self.dc, 1),
                1 => (&mut self.ac, 2),
                _ => return None,
            };
            tables.get_mut(number)?.define(definition)?;
            self.defined[kind][number] = true;
            segment = rest;
        }
        Some(())
    }

    fn read_frame(&mut self, segment: &[u8]) -> Option<()> {
        // Precision and size were checked with the header, which also saw that there is no second frame.
        for &[id, factors, quantisation] in segment.get(6..)?.as_chunks::<3>().0 {
            let blocks = (usize::from(factors >> 4), usize::from(factors & 15));
            self.components.push(Component { id, blocks, quantisation: quantisation.into(), ..Component::default() });
        }
        let count = self.components.len();
        (count == usize::from(*segment.get(5)?) && [1, COMPONENTS_MAX].contains(&count)).then_some(())
    }

    /// Sizes the planes and finds the blocks that are needed.
    fn lay_out(&mut self, needed: CropBox) -> Option<()> {
        if let [only] = &mut *self.components {
            // A scan of one component has units of one block, whatever its factors say.
            only.blocks = (1, 1);
        }
        let size = self.size;
        let (luma, chroma) = (self.components[0].blocks, self.components.get(1).map_or((1, 1), |one| one.blocks));
        let is_alike = self.components[1..].iter().all(|component| component.blocks == chroma);
        let ratio = |luma: usize, chroma: usize| {
            let divides = luma.is_multiple_of(chroma) && [1, 2, 4].contains(&(luma / chroma));
            divides.then(|| luma / chroma)
        };
        let (across, down) = (ratio(luma.0, chroma.0)?, ratio(luma.1, chroma.1)?);
        self.subsampling = (across as u32, down as u32);
        let units = ((size.width as usize).div_ceil(SIDE * luma.0), (size.height as usize).div_ceil(SIDE * luma.1));
        for (number, (component, plane)) in self.components.iter_mut().zip(&mut self.planes).enumerate() {
            let (part, (across, down)) = match number {
                0 => (needed, (1, 1)),
                _ => (with_neighbours(chroma_box(needed, self.subsampling)), (across, down)),
            };
            component.plane_blocks = (units.0 * component.blocks.0, units.1 * component.blocks.1);
            component.own_blocks =
                ((size.width as usize).div_ceil(SIDE * across), (size.height as usize).div_ceil(SIDE * down));
            component.needed = [
                part.x as usize / SIDE,
                ((part.x + part.width) as usize).div_ceil(SIDE),
                part.y as usize / SIDE,
                ((part.y + part.height) as usize).div_ceil(SIDE),
            ];
            plane.resize(component.plane_blocks.0 * component.plane_blocks.1 * SIDE * SIDE, 0);
        }
        is_alike.then_some(())
    }

    /// A scan holds some components, in the frame's order, that no scan before it held.
    fn read_scan_header(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, rest) = segment.split_first()?;
        let mut named = rest.as_chunks::<2>().0.get(..usize::from(count))?.iter().peekable();
        for component in &mut self.components {
            component.in_scan = named.peek().is_some_and(|&&[id, _]| id == component.id);
            if !component.in_scan {
                continue;
            }
            let &[_, tables] = named.next()?;
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            let numbers = [component.quantisation, component.dc, component.ac];
            let defined = self.defined.iter().zip(numbers).all(|(of_kind, number)| of_kind.get(number) == Some(&true));
            if component.is_read || !defined {
                return None;
            }
            component.is_read = true;
            component.unit = if count == 1 { (1, 1) } else { component.blocks };
        }
        (count > 0 && named.next().is_none()).then_some(())
    }

    /// Units of the scan at hand, across and down.
    fn scan_units(&self) -> (usize, usize) {
        let mut scanned = self.components.iter().filter(|component| component.in_scan);
        match (scanned.next(), scanned.next()) {
            (Some(only), None) => only.own_blocks,
            _ => {
                let luma = &self.components[0];
                (luma.plane_blocks.0 / luma.blocks.0, luma.plane_blocks.1 / luma.blocks.1)
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn read_scan_avx2(&mut self, bytes: &[u8], at: usize) -> Result<usize, Refusal> {
        self.read_scan(bytes, at)
    }

    /// Reads all units of a scan, restart interval by restart interval; gives where the marker behind it begins. Always
    /// inlined, so that it is compiled with the instructions of its caller.
    #[inline(always)]
    fn read_scan(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
        let (units_across, units_down) = self.scan_units();
        let units = units_across * units_down;
        let interval = if self.restart_interval == 0 { units } else { self.restart_interval };
        let mut first = 0;
        let mut coded = std::mem::take(&mut self.coded);
        // Whatever happens, the buffer goes back.
        let whole = loop {
            let Some((behind, marker)) = unstuff(bytes, at, &mut coded) else { break Err(Damaged) };
            let end = units.min(first + interval);
            if let Err(refusal) = self.read_units(&coded, first..end, units_across) {
                break Err(refusal);
            }
            (at, first) = (behind, end);
            if first == units {
                break Ok(behind - 2);
            }
            // Restart markers count up to seven and begin again.
            let restarts = first / interval;
            if marker != RST_FIRST + ((restarts - 1) % 8) as u8 {
                break Err(Damaged);
            }
        };
        self.coded = coded;
        whole
    }

    /// Reads the units of one restart interval.
    #[inline(always)]
    fn read_units(&mut self, coded: &[u8], units: std::ops::Range<usize>, units_across: usize) -> Result<(), Refusal> {
        let Self { simd, dc, ac, quantisation, components, planes, .. } = self;
        let mut reader = BitReader::new(coded);
        let mut means = [0; COMPONENTS_MAX];
        let mut block = Block { coefficients: [0; 64], coded: 1 };
        let (mut column, mut row) = (units.start % units_across, units.start / units_across);
        for _ in units {
            for ((component, plane), mean) in components.iter().zip(&mut *planes).zip(&mut means) {
                if !component.in_scan {
                    continue;
                }
                let tables = (&dc[component.dc], &ac[component.ac]);
                let [left, right, top, bottom] = component.needed;
                let stride = component.plane_blocks.0 * SIDE;
                for down in 0..component.unit.1 {
                    let y = row * component.unit.1 + down;
                    for across in 0..component.unit.0 {
                        let x = column * component.unit.0 + across;
                        if (left..right).contains(&x) && (top..bottom).contains(&y) {
                            let steps = &quantisation[component.quantisation];
                            reader.read_block(tables, steps, mean, &mut block).ok_or(Damaged)?;
                            let place = &mut plane[(y * stride + x) * SIDE..];
                            inverse_dct::write_samples(*simd, &block, place, stride);
                        } else {
                            reader.skip_block(tables, mean).ok_or(Damaged)?;
                        }
                        if !reader.is_within_data() {
                            return Err(Damaged);
                        }
                    }
                }
            }
            column += 1;
            if column == units_across {
                (column, row) = (0, row + 1);
            }
        }
        // Bytes that no block needs are odd, but no block lacks anything.
        if reader.is_at_end() { Ok(()) } else { Err(NotForThis) }
    }
}

/// Copies entropy-coded bytes from `at` up to the next marker, without stuffed zeros and with padding behind; gives the
/// marker and where it ends.
fn unstuff(bytes: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<(usize, u8)> {
    out.clear();
    let marker = loop {
        let rest = bytes.get(at..)?;
        let length = memchr::memchr(0xFF, rest)?;
        out.extend_from_slice(&rest[..length]);
        at += length + 1;
        match *bytes.get(at)? {
            0 => {
                out.push(0xFF);
                at += 1;
            }
            // Fill bytes before a marker.
            0xFF => {}
            marker => break marker,
        }
    };
    out.resize(out.len() + BitReader::PADDING, 0);
    Some((at + 1, marker))
}

#[cfg(test)]
mod tests;
