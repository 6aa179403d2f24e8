//! Sizes, boxes and crops in whole pixels.
//! Not here: pixels themselves (see `resample`) or the source of randomness (see `random`).

/// Width and height, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A rectangle of whole pixels inside an upright image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CropBox {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Size {
    /// The whole image as a box.
    pub fn whole(self) -> CropBox {
        CropBox { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// Number of pixels.
    pub fn px(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl CropBox {
    /// Width and height of the box.
    pub fn size(self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// Whether it lies inside an image of that size and holds a pixel.
    pub fn is_inside(self, image: Size) -> bool {
        let fits =
            |start: u32, length: u32, side: u32| length > 0 && u64::from(start) + u64::from(length) <= side.into();
        fits(self.x, self.width, image.width) && fits(self.y, self.height, image.height)
    }

    /// The smallest box that both lie in.
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// Narrowest and widest width:height of a random crop.
const CROP_RATIO_MIN: f64 = 3.0 / 4.0;
/// See [`CROP_RATIO_MIN`].
const CROP_RATIO_MAX: f64 = 4.0 / 3.0;
/// Boxes that are tried before the centred fallback.
const CROP_TRIES: u32 = 10;
/// How much larger than the view the whole image is made before its centre is cut out, as a share of the view.
const VALIDATION_EXTRA: f64 = 0.14;

/// A box of random area (`min_scale`..1 of the image) and random shape (3:4 to 4:3) at a random place: fastai's
/// `RandomResizedCrop`. `draw` gives uniform numbers in [0, 1), two a try and two more for the place.
///
/// The transcendental functions come from `libm`, so that every machine computes the same box. Where fastai would cut
/// out nothing (an image of a few pixels), the box keeps one pixel.
pub fn random_resized_crop(image: Size, min_scale: f64, mut draw: impl FnMut() -> f64) -> CropBox {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let (log_low, log_high) = (libm::log(CROP_RATIO_MIN), libm::log(CROP_RATIO_MAX));
    for _ in 0..CROP_TRIES {
        let area = (min_scale + (1.0 - min_scale) * draw()) * width * height;
        let ratio = libm::exp(log_low + (log_high - log_low) * draw());
        let crop_width = libm::sqrt(area * ratio).round_ties_even();
        let crop_height = libm::sqrt(area / ratio).round_ties_even();
        if crop_width <= width && crop_height <= height {
            let (crop_width, crop_height) = ((crop_width as u32).max(1), (crop_height as u32).max(1));
            let x = place(draw(), image.width - crop_width);
            let y = place(draw(), image.height - crop_height);
            return CropBox { x, y, width: crop_width, height: crop_height };
        }
    }
    let (crop_width, crop_height) = if width / height < CROP_RATIO_MIN {
        (image.width, (width / CROP_RATIO_MIN) as u32)
    } else if width / height > CROP_RATIO_MAX {
        ((height * CROP_RATIO_MAX) as u32, image.height)
    } else {
        (image.width, image.height)
    };
    centre_window(image, Size { width: crop_width, height: crop_height })
}

/// The largest box of the shape of `view`, at a random place across or down: fastai's `Resize`, which crops. `draw` gives
/// uniform numbers in [0, 1), two a box; ½ twice gives the middle, as fastai takes it for validation.
///
/// As in fastai the last place of all is never drawn, and sides are rounded down; where that leaves nothing, to one pixel.
pub fn largest_box(image: Size, view: Size, mut draw: impl FnMut() -> f64) -> CropBox {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let (view_width, view_height) = (f64::from(view.width), f64::from(view.height));
    let shrink = (width / view_width).min(height / view_height);
    let side = |view: f64, image: u32| ((shrink * view) as u32).clamp(1, image);
    let (crop_width, crop_height) = (side(view_width, image.width), side(view_height, image.height));
    let mut place = |room: u32| (draw() * f64::from(room)) as u32;
    let (x, y) = (place(image.width - crop_width), place(image.height - crop_height));
    CropBox { x, y, width: crop_width, height: crop_height }
}

/// A whole number in 0..=`room` from `unit` in [0, 1).
fn place(unit: f64, room: u32) -> u32 {
    ((unit * (f64::from(room) + 1.0)) as u32).min(room)
}

/// The centre of `full` of the size `out` (at most `full`), rounded towards the top left.
pub fn centre_window(full: Size, out: Size) -> CropBox {
    let (width, height) = (out.width.min(full.width), out.height.min(full.height));
    CropBox { x: (full.width - width) / 2, y: (full.height - height) / 2, width, height }
}

/// Side, in pixels, that a whole image is resized to before the centre `out_px` is cut out for validation: 14 % more,
/// rounded up to whole eighths as fastai's `RandomResizedCrop` does.
pub fn validation_resize_px(out_px: u32) -> u32 {
    out_px + 8 * ((f64::from(out_px) * VALIDATION_EXTRA / 8.0).ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use proptest::prelude::*;

    #[test]
    fn golden_random_resized_crop_boxes() {
        for entry in golden::entries("augment.json", "random_resized_crop_boxes") {
            let number = |key: &str| entry[key].as_f64().expect("a number");
            let image = Size { width: number("width") as u32, height: number("height") as u32 };
            let mut draws = entry["draws"].as_array().expect("draws").iter();
            let mut draw = || draws.next().and_then(|u| u.as_f64()).expect("as many draws as are needed");
            let found = random_resized_crop(image, number("min_scale"), &mut draw);
            let expected = |key: &str| -> Vec<u32> { serde_json::from_value(entry[key].clone()).expect("two numbers") };
            assert_eq!(vec![found.width, found.height], expected("crop_wh"), "{entry}");
            assert_eq!(vec![found.x, found.y], expected("top_left_xy"), "{entry}");
            assert!(draws.next().is_none(), "draws are left over: {entry}");
        }
    }

    #[test]
    fn the_largest_box_has_the_shape_of_the_view_and_any_place_along_the_longer_side() {
        let (wide, view) = (Size { width: 300, height: 200 }, Size { width: 100, height: 100 });
        let at = |u| largest_box(wide, view, || u);
        assert_eq!(at(0.0), CropBox { x: 0, y: 0, width: 200, height: 200 });
        assert_eq!(at(0.5), CropBox { x: 50, y: 0, width: 200, height: 200 });
        assert_eq!(at(0.999), CropBox { x: 99, y: 0, width: 200, height: 200 });
        let tall = largest_box(Size { width: 10, height: 35 }, Size { width: 64, height: 128 }, || 0.5);
        assert_eq!(tall, CropBox { x: 0, y: 7, width: 10, height: 20 });
        let thin = Size { width: 1, height: 900 };
        assert!(largest_box(thin, Size { width: 300, height: 1 }, || 0.9).is_inside(thin));
    }

    #[test]
    fn validation_resize_follows_fastai_in_floating_point() {
        assert_eq!(validation_resize_px(224), 256);
        assert_eq!(validation_resize_px(64), 80);
        // 400 * 0.14 is a hair above 56, so fastai goes one step further than exact arithmetic would.
        assert_eq!(validation_resize_px(400), 464);
    }

    #[test]
    fn a_window_larger_than_the_image_is_the_image() {
        let full = Size { width: 5, height: 9 };
        assert_eq!(centre_window(full, Size { width: 8, height: 4 }), CropBox { x: 0, y: 2, width: 5, height: 4 });
    }

    proptest! {
        #[test]
        fn every_box_lies_inside_the_image(
            width in 1u32..700, height in 1u32..700, min_scale in 0.001f64..1.0, seed in any::<u64>(),
        ) {
            let mut draws = crate::random::Draws::new(seed, 1, 0, 0, crate::random::Purpose::Crop);
            let found = random_resized_crop(Size { width, height }, min_scale, || draws.unit());
            prop_assert!(found.width >= 1 && found.height >= 1);
            prop_assert!(found.x + found.width <= width && found.y + found.height <= height);
        }
    }
}
