//! Text on a picture, in the classic misc-fixed fonts that embedded-graphics carries.
//! Not here: layout.

use std::convert::Infallible;

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::{Baseline, Text};

use super::sheet::Canvas;

/// How a line is set.
#[derive(Clone, Copy)]
pub(super) enum Face {
    /// The sheet's first line.
    Title,
    /// Everything else.
    Label,
}

impl Face {
    fn font(self) -> &'static MonoFont<'static> {
        match self {
            Self::Title => &iso_8859_1::FONT_9X18_BOLD,
            Self::Label => &iso_8859_1::FONT_7X13,
        }
    }

    fn advance_px(self) -> usize {
        let font = self.font();
        (font.character_size.width + font.character_spacing) as usize
    }

    /// Height of a line, pixels.
    pub(super) fn height_px(self) -> usize {
        self.font().character_size.height as usize
    }

    /// Width of a text, pixels.
    pub(super) fn width_px(self, text: &str) -> usize {
        text.chars().count() * self.advance_px()
    }

    /// The text in letters that the font has, cut to what fits.
    pub(super) fn fitted(self, text: &str, width_px: usize) -> String {
        let text: String = text.chars().map(|letter| if letter <= '\u{ff}' { letter } else { '?' }).collect();
        let most = width_px / self.advance_px();
        if text.chars().count() <= most {
            return text;
        }
        let kept: String = text.chars().take(most.saturating_sub(2)).collect();
        format!("{}..", kept.trim_end())
    }
}

/// Sets a line with its top left at (x, y).
pub(super) fn write(canvas: &mut Canvas, face: Face, text: &str, (x, y): (usize, usize), [red, green, blue]: [u8; 3]) {
    let style = MonoTextStyle::new(face.font(), Rgb888::new(red, green, blue));
    let Ok(_) = Text::with_baseline(text, Point::new(x as i32, y as i32), style, Baseline::Top).draw(canvas);
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                && x < self.width
                && y < self.height
            {
                self.set(x, y, [color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
