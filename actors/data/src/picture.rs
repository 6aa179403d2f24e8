//! Any encoded image → upright 8-bit RGB, within the limits, by content (JPEG or PNG), never by name.
//! Not here: crops and resizing (see `resample`).

use crate::geometry::Size;

/// An upright 8-bit RGB image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    /// Width and height.
    pub size: Size,
    /// `size.height` rows of `size.width` pixels of three bytes: red, green, blue.
    pub pixels: &'a [u8],
}
