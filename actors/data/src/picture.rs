//! Any encoded image → upright 8-bit RGB, within the limits, by content (JPEG or PNG), never by name.
//! Not here: crops and resizing (see `resample`).

use crate::fault::{BadBytes, FaultKind};
use crate::geometry::{CropBox, Size};
use crate::jpeg::planes::{PlanarPicture, PlanesReader, Refusal};
use crate::jpeg::rgb::RgbMaker;
use crate::limits;
use crate::resample::ResamplePath;
use crate::simd::Simd;
use crate::{jpeg, png_image};

/// What to do with an image that is damaged but could be shown in part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeMode {
    /// Refuse it.
    Strict,
    /// Show what there is: rows that are missing are grey or black.
    Lenient,
}

/// How an image is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageFormat {
    /// JPEG (ITU T.81), baseline or progressive, Huffman coded, 8 bits.
    Jpeg,
    /// PNG (ISO 15948).
    Png,
}

/// What the headers of an image say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageHeader {
    /// Width and height when upright.
    pub size: Size,
    /// By content.
    pub format: ImageFormat,
    /// A progressive JPEG, which takes several times as long to decode.
    pub progressive: bool,
    /// Memory that decoding takes, bytes: pixels, and coefficients when they must all be kept.
    pub scratch_bytes: u64,
}

/// An upright 8-bit RGB image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    /// Width and height.
    pub size: Size,
    /// `size.height` rows of `size.width` pixels of three bytes: red, green, blue.
    pub pixels: &'a [u8],
}

/// An image in the form that its resample path wants.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// Pixels.
    Rgb(Picture<'a>),
    /// Planes, perhaps only a part of them.
    Planar(PlanarPicture<'a>),
}

impl Decoded<'_> {
    /// Width and height of the upright image.
    pub fn size(&self) -> Size {
        match self {
            Self::Rgb(picture) => picture.size,
            Self::Planar(picture) => picture.size,
        }
    }

    /// Brings what lies under a box into the processor's cache. A picture that was kept from an earlier epoch lies in main
    /// memory; its lines come several at a time when nothing waits for each of them, as the resampler would.
    pub fn fetch(&self, part: CropBox) {
        let touch = |rows: &[u8], stride: usize, part: CropBox, sample_bytes: usize| {
            let (from, length) = (part.x as usize * sample_bytes, part.width as usize * sample_bytes);
            let rows = rows.chunks(stride).skip(part.y as usize).take(part.height as usize);
            rows.flat_map(|row| row[from..from + length].iter().step_by(LINE_BYTES)).fold(0, |all, byte| all ^ byte)
        };
        let touched = match self {
            Self::Rgb(picture) => touch(picture.pixels, picture.size.width as usize * 3, part, 3),
            Self::Planar(picture) => {
                let boxes = [part, picture.chroma_box(part), picture.chroma_box(part)];
                let planes = picture.planes().zip(boxes);
                planes.fold(0, |all, (plane, part)| all ^ touch(plane.samples, plane.stride, part, 1))
            }
        };
        std::hint::black_box(touched);
    }
}

/// Bytes that memory hands over at a time, on nearly all processors.
const LINE_BYTES: usize = 64;

/// The headers of either format.
enum Header {
    Jpeg(jpeg::JpegHeader),
    Png(png_image::PngHeader),
}

impl Header {
    fn read(encoded: &[u8]) -> Result<Self, BadBytes> {
        if encoded.starts_with(&[0xFF, 0xD8, 0xFF]) {
            jpeg::read_header(encoded).map(Self::Jpeg)
        } else if encoded.starts_with(&png_image::SIGNATURE) {
            png_image::read_header(encoded).map(Self::Png)
        } else {
            let start: Vec<String> = encoded.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            let detail = match start.is_empty() {
                true => "no bytes at all".to_owned(),
                false => format!("{} bytes that begin with {}", encoded.len(), start.join(" ")),
            };
            Err(BadBytes::new(FaultKind::NotAnImage, detail))
        }
    }

    fn upright_size(&self) -> Size {
        match self {
            Self::Jpeg(header) => header.orientation.upright_size(header.size),
            Self::Png(header) => header.size,
        }
    }
}

/// Decodes images one after the other; keeps its buffers between them, up to
/// [`limits::DECODE_BUFFER_KEPT_BYTES_MAX`] each. A panic inside a decoder leaves it usable.
pub struct ImageDecoder {
    mode: DecodeMode,
    pixels: Vec<u8>,
    upright: Vec<u8>,
    planes: PlanesReader,
    rgb: RgbMaker,
}

impl ImageDecoder {
    /// A decoder without buffers yet.
    pub fn new(mode: DecodeMode) -> Self {
        Self::with_simd(mode, Simd::detect())
    }

    /// The same with given instructions for reading planes; the samples don't depend on them.
    pub fn with_simd(mode: DecodeMode, simd: Simd) -> Self {
        Self {
            mode,
            pixels: Vec::new(),
            upright: Vec::new(),
            planes: PlanesReader::new(simd),
            rgb: RgbMaker::new(simd),
        }
    }

    /// Decodes a JPEG or PNG and turns it upright. What was decoded depends on the bytes alone, never on images before.
    ///
    /// # Errors
    /// `NotAnImage`, `ImageTooLarge` (from the headers, before any pixel), `UnsupportedImage` or `DamagedImage`.
    pub fn decode(&mut self, encoded: &[u8]) -> Result<Picture<'_>, BadBytes> {
        match self.decode_for(ResamplePath::Pil, encoded, Size::whole)? {
            Decoded::Rgb(picture) => Ok(picture),
            Decoded::Planar(_) => unreachable!("that path makes pixels of everything"),
        }
    }

    /// Decodes an image for a resample path, right wherever the box that `needed` gives for the image's size lies on it.
    ///
    /// Baseline JPEGs are read by our own reader of planes: to the bit what libjpeg-turbo makes of them, on the path that
    /// makes pixels. Whatever that reader does not take is zune-jpeg's, and so is what it finds damaged, where that may be
    /// shown in part.
    ///
    /// # Errors
    /// As for [`ImageDecoder::decode`].
    pub fn decode_for(
        &mut self,
        path: ResamplePath,
        encoded: &[u8],
        needed: impl FnOnce(Size) -> CropBox,
    ) -> Result<Decoded<'_>, BadBytes> {
        [&mut self.pixels, &mut self.upright].into_iter().for_each(limits::trim_buffer);
        self.planes.trim();
        let header = Header::read(encoded)?;
        let size = header.upright_size();
        match &header {
            Header::Png(header) => png_image::decode(encoded, header, self.mode, &mut self.pixels)?,
            Header::Jpeg(header) => {
                let is_upright = header.orientation == Default::default();
                let needed = if is_upright { needed(size) } else { header.size.whole() };
                match self.planes.read(encoded, header, needed) {
                    Ok(()) if path == ResamplePath::Planar && is_upright => {
                        return Ok(Decoded::Planar(self.planes.picture()));
                    }
                    Ok(()) => {
                        self.pixels.resize(size.px() as usize * 3, 0);
                        self.rgb.write(&self.planes.picture(), needed, &mut self.pixels);
                    }
                    Err(Refusal::Damaged) if self.mode == DecodeMode::Strict => {
                        return Err(jpeg::damaged("its image data is damaged or incomplete"));
                    }
                    Err(_) => jpeg::decode(encoded, header, self.mode, &mut self.pixels)?,
                }
                if !is_upright {
                    self.upright.resize(self.pixels.len(), 0);
                    header.orientation.turn(&self.pixels, header.size, &mut self.upright);
                    return Ok(Decoded::Rgb(Picture { size, pixels: &self.upright }));
                }
            }
        }
        Ok(Decoded::Rgb(Picture { size, pixels: &self.pixels }))
    }

    /// Reads the headers only.
    ///
    /// # Errors
    /// As for [`ImageDecoder::decode`], as far as the headers show it.
    pub fn probe(&self, encoded: &[u8]) -> Result<ImageHeader, BadBytes> {
        let header = Header::read(encoded)?;
        let size = header.upright_size();
        Ok(match header {
            Header::Jpeg(jpeg::JpegHeader { progressive, scratch_bytes, .. }) => {
                ImageHeader { size, format: ImageFormat::Jpeg, progressive, scratch_bytes }
            }
            Header::Png(png_image::PngHeader { scratch_bytes, .. }) => {
                ImageHeader { size, format: ImageFormat::Png, progressive: false, scratch_bytes }
            }
        })
    }
}

/// Refuses an image without pixels, or with too long a side or too many pixels.
pub(crate) fn check_size(size: Size) -> Result<(), BadBytes> {
    let Size { width, height } = size;
    if width == 0 || height == 0 {
        return Err(BadBytes::new(FaultKind::DamagedImage, format!("{width}×{height} px has no pixels")));
    }
    if width.max(height) > limits::IMAGE_SIDE_PX_MAX || size.px() > limits::IMAGE_PX_MAX {
        return Err(BadBytes::new(FaultKind::ImageTooLarge, format!("{width}×{height} px")));
    }
    Ok(())
}

/// Refuses an image that takes too much memory to decode.
pub(crate) fn check_scratch(bytes: u64) -> Result<(), BadBytes> {
    if bytes > limits::DECODE_SCRATCH_BYTES_MAX {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let detail =
            format!("decoding takes {} MiB of the {} allowed", mib(bytes), mib(limits::DECODE_SCRATCH_BYTES_MAX));
        return Err(BadBytes::new(FaultKind::ImageTooLarge, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
