//! An image as its planes: brightness, and colour at its own resolution.
//! Not here: reading them (see `planes`), or what is made of them (see `rgb`, `planar`).

use crate::geometry::{CropBox, Size};

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

/// The samples of a plane of this subsampling that a box of pixels lies on.
pub(super) fn chroma_box(pixels: CropBox, (across, down): (u32, u32)) -> CropBox {
    let (x, y) = (pixels.x / across, pixels.y / down);
    let (right, bottom) = ((pixels.x + pixels.width).div_ceil(across), (pixels.y + pixels.height).div_ceil(down));
    CropBox { x, y, width: right - x, height: bottom - y }
}
