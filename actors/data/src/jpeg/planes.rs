//! Baseline JPEG → its planes as stored (luma, and chroma at its own resolution), only as far as a crop needs them.
//! Not here: colours and sizes (see `rgb`, `planar`). Not for: progressive, arithmetic, 4-component or RGB-coded images:
//! whatever this does not take is left to zune-jpeg, which has the last word on what is damaged.
//!
//! Bits are read to the end whatever the crop, so that damage is found wherever it is; only the inverse cosine transform
//! of blocks outside the crop is left out.

use super::huffman::{BitReader, Block, Class, HuffmanTable, Quantisation, quantisation};
use super::{APP14, DHT, DQT, DRI, EOI, JpegHeader, RST_FIRST, SOF_EXTENDED, SOS, inverse_dct, next_segment};
use crate::geometry::{CropBox, Size};
use crate::limits;
use crate::simd::Simd;
use inverse_dct::SIDE;

/// Components that are taken: one, or three.
const COMPONENTS_MAX: usize = 3;
/// Tables of each kind that a file may define.
const TABLES: usize = 4;

/// The samples of one component.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Columns and rows that mean something.
    pub size: Size,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Rows of samples.
    pub samples: &'a [u8],
}

/// An image in YCbCr as JFIF defines it, or in grey.
#[derive(Clone, Copy, Debug)]
pub struct PlanarPicture<'a> {
    /// Of the image.
    pub size: Size,
    /// Brightness, a sample a pixel.
    pub luma: Plane<'a>,
    /// Blue and red difference; none of a grey image.
    pub chroma: Option<[Plane<'a>; 2]>,
    /// Pixels across and down that a chroma sample stands for: 1, 2 or 4.
    pub subsampling: (u32, u32),
}

impl<'a> Plane<'a> {
    /// One row, from its first sample on.
    #[inline(always)]
    pub fn row(&self, y: u32) -> &'a [u8] {
        &self.samples[y as usize * self.stride..][..self.size.width as usize]
    }
}

impl<'a> PlanarPicture<'a> {
    /// Luma, and chroma if there is any.
    pub fn planes(&self) -> impl Iterator<Item = &Plane<'a>> + Clone {
        std::iter::once(&self.luma).chain(self.chroma.iter().flatten())
    }

    /// The part of a chroma plane that a box of pixels lies on.
    pub fn chroma_box(&self, pixels: CropBox) -> CropBox {
        chroma_box(pixels, self.subsampling)
    }
}

fn chroma_box(pixels: CropBox, (across, down): (u32, u32)) -> CropBox {
    let (x, y) = (pixels.x / across, pixels.y / down);
    let (right, bottom) = ((pixels.x + pixels.width).div_ceil(across), (pixels.y + pixels.height).div_ceil(down));
    CropBox { x, y, width: right - x, height: bottom - y }
}

/// A box and one sample more each way, as upsampling wants them; perhaps beyond the plane's right and bottom edges.
fn with_neighbours(part: CropBox) -> CropBox {
    let (x, y) = (part.x.saturating_sub(1), part.y.saturating_sub(1));
    CropBox { x, y, width: part.x + part.width + 1 - x, height: part.y + part.height + 1 - y }
}

/// One component as the frame and scan headers describe it.
#[derive(Clone, Copy, Default)]
struct Component {
    id: u8,
    /// Blocks of a unit (MCU) across and down.
    blocks: (usize, usize),
    quantisation: usize,
    dc: usize,
    ac: usize,
    /// Blocks of the whole plane across and down, whole units.
    plane_blocks: (usize, usize),
    /// Blocks that the crop needs: first and end across, first and end down.
    needed: [usize; 4],
}

/// Reads planes; keeps tables and buffers between images.
pub struct PlanesReader {
    simd: Simd,
    /// Of the image.
    size: Size,
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

    /// Reads the planes of a JPEG whose header was read, right wherever the box `needed` lies on them. False when the image
    /// is of a kind that is not for this, or damaged.
    pub(crate) fn read(&mut self, bytes: &[u8], header: &JpegHeader, needed: CropBox) -> bool {
        header.has_planes
            && self.read_tables(bytes, header).is_some()
            && self.lay_out(header.size, needed).is_some()
            && match self.simd {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
                Simd::Avx2(_) => unsafe { self.read_scan_avx2(bytes, header) }.is_some(),
                Simd::Portable => self.read_scan(bytes, header).is_some(),
            }
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
        let (across, down) = self.components[0].blocks;
        let subsampling = (across as u32, down as u32);
        let chroma = (self.components.len() == COMPONENTS_MAX).then(|| [plane(1, subsampling), plane(2, subsampling)]);
        PlanarPicture { size: self.size, luma: plane(0, (1, 1)), chroma, subsampling }
    }

    /// Reads all segments before the image data.
    fn read_tables(&mut self, bytes: &[u8], header: &JpegHeader) -> Option<()> {
        self.components.clear();
        self.restart_interval = 0;
        self.defined = Default::default();
        let mut adobe_transform = None;
        let mut at = 2;
        loop {
            let (marker, segment, next) = next_segment(bytes, at)?;
            match marker {
                DQT => self.read_quantisation(segment)?,
                DHT => self.read_huffman(segment)?,
                DRI => self.restart_interval = usize::from(u16::from_be_bytes(*segment.first_chunk()?)),
                APP14 => adobe_transform = segment.strip_prefix(b"Adobe").and_then(|rest| rest.get(6)).copied(),
                super::SOF_BASELINE..=SOF_EXTENDED => self.read_frame(segment)?,
                SOS => {
                    self.read_scan_header(segment)?;
                    let is_rgb = self.components.iter().map(|component| component.id).eq(*b"RGB");
                    let is_colour = self.components.len() == COMPONENTS_MAX;
                    let takes = next == header.scan_start && !(is_colour && (is_rgb || adobe_transform == Some(0)));
                    return takes.then_some(());
                }
                _ => {}
            }
            at = next;
        }
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
        // Precision and size were checked with the header.
        for &[id, factors, quantisation] in segment.get(6..)?.as_chunks::<3>().0 {
            let blocks = (usize::from(factors >> 4), usize::from(factors & 15));
            self.components.push(Component { id, blocks, quantisation: quantisation.into(), ..Component::default() });
        }
        (self.components.len() == usize::from(*segment.get(5)?)).then_some(())
    }

    /// One scan must hold all components, in the frame's order.
    fn read_scan_header(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, rest) = segment.split_first()?;
        if usize::from(count) != self.components.len() || ![1, COMPONENTS_MAX].contains(&usize::from(count)) {
            return None;
        }
        for (component, &[id, tables]) in self.components.iter_mut().zip(rest.as_chunks::<2>().0) {
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            let numbers = [component.quantisation, component.dc, component.ac];
            let defined = self.defined.iter().zip(numbers).all(|(of_kind, number)| of_kind.get(number) == Some(&true));
            if id != component.id || !defined {
                return None;
            }
        }
        Some(())
    }

    /// Sizes the planes and finds the blocks that are needed.
    fn lay_out(&mut self, size: Size, needed: CropBox) -> Option<()> {
        self.size = size;
        let grey = self.components.len() == 1;
        if grey {
            // A scan of one component has units of one block, whatever its factors say.
            self.components[0].blocks = (1, 1);
        }
        let (across, down) = self.components[0].blocks;
        let chroma_is_one_block = self.components[1..].iter().all(|component| component.blocks == (1, 1));
        if !chroma_is_one_block || ![1, 2, 4].contains(&across) || ![1, 2, 4].contains(&down) {
            return None;
        }
        let subsampling = (across as u32, down as u32);
        let units = ((size.width as usize).div_ceil(SIDE * across), (size.height as usize).div_ceil(SIDE * down));
        for (number, (component, plane)) in self.components.iter_mut().zip(&mut self.planes).enumerate() {
            let part = if number == 0 { needed } else { with_neighbours(chroma_box(needed, subsampling)) };
            component.plane_blocks = (units.0 * component.blocks.0, units.1 * component.blocks.1);
            component.needed = [
                part.x as usize / SIDE,
                ((part.x + part.width) as usize).div_ceil(SIDE),
                part.y as usize / SIDE,
                ((part.y + part.height) as usize).div_ceil(SIDE),
            ];
            plane.resize(component.plane_blocks.0 * component.plane_blocks.1 * SIDE * SIDE, 0);
        }
        Some(())
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn read_scan_avx2(&mut self, bytes: &[u8], header: &JpegHeader) -> Option<()> {
        self.read_scan(bytes, header)
    }

    /// Reads all units, restart interval by restart interval. Always inlined, so that it is compiled with the
    /// instructions of its caller.
    #[inline(always)]
    fn read_scan(&mut self, bytes: &[u8], header: &JpegHeader) -> Option<()> {
        let (across, down) = self.components[0].plane_blocks;
        let (units_across, units_down) = (across / self.components[0].blocks.0, down / self.components[0].blocks.1);
        let units = units_across * units_down;
        let interval = if self.restart_interval == 0 { units } else { self.restart_interval };
        let (mut at, mut first) = (header.scan_start, 0);
        let mut coded = std::mem::take(&mut self.coded);
        // Whatever happens, the buffer goes back.
        let whole = loop {
            let Some((behind, marker)) = unstuff(bytes, at, &mut coded) else { break None };
            let end = units.min(first + interval);
            if self.read_units(&coded, first..end, units_across).is_none() {
                break None;
            }
            (at, first) = (behind, end);
            if first == units {
                break (marker == EOI).then_some(());
            }
            // Restart markers count up to seven and begin again.
            let restarts = first / interval;
            if marker != RST_FIRST + ((restarts - 1) % 8) as u8 {
                break None;
            }
        };
        self.coded = coded;
        whole
    }

    /// Reads the units of one restart interval.
    #[inline(always)]
    fn read_units(&mut self, coded: &[u8], units: std::ops::Range<usize>, units_across: usize) -> Option<()> {
        let Self { simd, dc, ac, quantisation, components, planes, .. } = self;
        let mut reader = BitReader::new(coded);
        let mut means = [0; COMPONENTS_MAX];
        let mut block = Block { coefficients: [0; 64], coded: 1 };
        let (mut column, mut row) = (units.start % units_across, units.start / units_across);
        for _ in units {
            for ((component, plane), mean) in components.iter().zip(&mut *planes).zip(&mut means) {
                let tables = (&dc[component.dc], &ac[component.ac]);
                let [left, right, top, bottom] = component.needed;
                let stride = component.plane_blocks.0 * SIDE;
                for down in 0..component.blocks.1 {
                    let y = row * component.blocks.1 + down;
                    for across in 0..component.blocks.0 {
                        let x = column * component.blocks.0 + across;
                        if (left..right).contains(&x) && (top..bottom).contains(&y) {
                            let steps = &quantisation[component.quantisation];
                            reader.read_block(tables, steps, mean, &mut block)?;
                            let place = &mut plane[(y * stride + x) * SIDE..];
                            inverse_dct::write_samples(*simd, &block, place, stride);
                        } else {
                            reader.skip_block(tables, mean)?;
                        }
                        if !reader.is_within_data() {
                            return None;
                        }
                    }
                }
            }
            column += 1;
            if column == units_across {
                (column, row) = (0, row + 1);
            }
        }
        reader.is_at_end().then_some(())
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
