//! The contact sheet: pictures with rounded corners on a calm ground, a class name under each, a title above.
//! Not here: which pictures.

use fastgarden_data::geometry::Size;
use fastgarden_data::picture::Picture;
use fastgarden_data::resample::Resampler;
use fastgarden_data::simd::Simd;

use super::lettering::{Face, write};

const GROUND: [u8; 3] = [247, 245, 239];
const INK: [u8; 3] = [38, 52, 43];
const FAINT_INK: [u8; 3] = [112, 122, 112];
/// Side of a picture of up to this many pixels; larger ones are shown at [`LARGE_CELL_PX`].
const CELL_PX: usize = 128;
const LARGE_CELL_PX: usize = 160;
const MARGIN_PX: usize = 28;
const GAP_PX: usize = 14;
const CORNER_PX: f64 = 8.0;
/// Between a picture and its label, and between the title's lines.
const LEADING_PX: usize = 5;

/// One picture.
pub(super) struct Cell {
    /// What stands under it.
    pub label: String,
    pub size: Size,
    /// RGB, row by row.
    pub pixels: Vec<u8>,
}

/// Everything on a sheet.
pub(super) struct Sheet<'a> {
    pub title: String,
    pub subtitle: String,
    pub columns: usize,
    pub cells: &'a [Cell],
}

/// An RGB picture that is being drawn.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: GROUND.repeat(width * height) }
    }

    /// Sets the pixel at (x, y), which must be on the canvas.
    pub(super) fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        self.pixels[(y * self.width + x) * 3..][..3].copy_from_slice(&color);
    }
}

impl Sheet<'_> {
    /// The sheet as a PNG file.
    pub(super) fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let canvas = self.draw();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, canvas.width as u32, canvas.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&canvas.pixels)?;
        writer.finish()?;
        Ok(file)
    }

    fn draw(&self) -> Canvas {
        let is_large = self.cells.iter().any(|cell| cell.size.width as usize > CELL_PX);
        let cell_px = if is_large { LARGE_CELL_PX } else { CELL_PX };
        let columns = self.columns.min(self.cells.len()).max(1);
        let rows = self.cells.len().div_ceil(columns);
        let head_px = Face::Title.height_px() + LEADING_PX + Face::Label.height_px() + MARGIN_PX / 2;
        let pitch_px = cell_px + LEADING_PX + Face::Label.height_px() + GAP_PX;
        let width = 2 * MARGIN_PX + columns * (cell_px + GAP_PX) - GAP_PX;
        let height = 2 * MARGIN_PX + head_px + rows * pitch_px - GAP_PX;
        let mut canvas = Canvas::new(width, height);
        let line_px = width - 2 * MARGIN_PX;
        let title = Face::Title.fitted(&self.title, line_px);
        write(&mut canvas, Face::Title, &title, (MARGIN_PX, MARGIN_PX), INK);
        let subtitle = Face::Label.fitted(&self.subtitle, line_px);
        let y = MARGIN_PX + Face::Title.height_px() + LEADING_PX;
        write(&mut canvas, Face::Label, &subtitle, (MARGIN_PX, y), FAINT_INK);
        let mut resampler = Resampler::new(Simd::detect());
        for (place, cell) in self.cells.iter().enumerate() {
            let x = MARGIN_PX + place % columns * (cell_px + GAP_PX);
            let y = MARGIN_PX + head_px + place / columns * pitch_px;
            draw_cell(&mut canvas, cell, (x, y), cell_px, &mut resampler);
        }
        canvas
    }
}

fn draw_cell(canvas: &mut Canvas, cell: &Cell, (left, top): (usize, usize), cell_px: usize, resampler: &mut Resampler) {
    let shown = Size { width: cell_px as u32, height: cell_px as u32 };
    let mut pixels = vec![0; cell_px * cell_px * 3];
    let picture = Picture { size: cell.size, pixels: &cell.pixels };
    resampler.resample(&picture, cell.size.whole(), shown, shown.whole(), false, &mut pixels);
    for y in 0..cell_px {
        for x in 0..cell_px {
            let share = corner_coverage(x, y, cell_px);
            let pixel = &pixels[(y * cell_px + x) * 3..][..3];
            let mixed = std::array::from_fn(|channel| {
                (f64::from(pixel[channel]) * share + f64::from(GROUND[channel]) * (1.0 - share)).round() as u8
            });
            canvas.set(left + x, top + y, mixed);
        }
    }
    let label = Face::Label.fitted(&cell.label, cell_px);
    let x = left + (cell_px - Face::Label.width_px(&label)) / 2;
    write(canvas, Face::Label, &label, (x, top + cell_px + LEADING_PX), INK);
}

/// How much of a pixel lies within a square with rounded corners.
fn corner_coverage(x: usize, y: usize, side: usize) -> f64 {
    let beyond = |at: usize| {
        let from_edge = (at.min(side - 1 - at)) as f64 + 0.5;
        (CORNER_PX - from_edge).max(0.0)
    };
    (CORNER_PX - beyond(x).hypot(beyond(y)) + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_place_for_every_picture_and_decodes() {
        let size = Size { width: 4, height: 4 };
        let cell = || Cell { label: "a name far too long for one cell".to_owned(), size, pixels: vec![90; 48] };
        let cells: Vec<Cell> = (0..5).map(|_| cell()).collect();
        let sheet = Sheet { title: "t".repeat(200), subtitle: "×\u{4e00}".to_owned(), columns: 3, cells: &cells };
        let png = sheet.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width as usize, 2 * MARGIN_PX + 3 * CELL_PX + 2 * GAP_PX);
        let middle_of_last = {
            let pitch = CELL_PX + LEADING_PX + Face::Label.height_px() + GAP_PX;
            let y = info.height as usize - MARGIN_PX - pitch + GAP_PX + CELL_PX / 2;
            let x = MARGIN_PX + CELL_PX + GAP_PX + CELL_PX / 2;
            &pixels[(y * info.width as usize + x) * 3..][..3]
        };
        assert_eq!(middle_of_last, [90; 3]);
    }
}
