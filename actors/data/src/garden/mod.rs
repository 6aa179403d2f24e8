//! The embedded garden: a synthetic flower data set drawn by code, so that everything runs without a download.
//! Not for: judging nets. It is a stand-in of the size and layout of the real set, and a real, if small, task.
//!
//! A picture depends on (seed, image number) alone and is defined in unit coordinates: another size shows the same
//! scene. Classes, outlines and habits of flowers are the same for every seed.

mod backdrop;
mod classes;
mod flower;
mod funnel;
mod heart;
mod layout;
mod oddity;
mod paint;
mod palette;
mod plant;
mod scene;
mod vector;

use crate::random::{Draws, Purpose};
use classes::SPECIES;
pub use layout::{GardenError, GardenSpec, GardenSummary, write};

/// Image numbers of the validation split begin here, so that it stays the same when the training split grows.
pub const FIRST_VALIDATION_IMAGE: u32 = 1 << 31;

/// One picture.
pub struct Drawing {
    /// Its class, 0..104.
    pub class: u16,
    /// Its id: nine hexadecimal digits, unique within a garden.
    pub id: String,
    /// RGB, row by row, `size_px` squared.
    pub pixels: Vec<u8>,
}

/// The names of the classes, by number.
pub fn class_names() -> &'static [&'static str] {
    static NAMES: [&str; SPECIES.len()] = {
        let mut names = [""; SPECIES.len()];
        let mut class = 0;
        while class < names.len() {
            names[class] = SPECIES[class].name;
            class += 1;
        }
        names
    };
    &NAMES
}

/// Draws one picture.
pub fn draw(seed: u64, image_number: u32, size_px: u32) -> Drawing {
    let class = class_of(seed, image_number);
    let pixels = scene::draw_pixels(seed, image_number, usize::from(class), size_px as usize);
    Drawing { class, id: id_of(seed, image_number), pixels }
}

/// The class of a picture: the first pictures of a split show every class once, the others follow mildly uneven odds.
fn class_of(seed: u64, image_number: u32) -> u16 {
    let classes = SPECIES.len() as u64;
    let place = u64::from(image_number & !FIRST_VALIDATION_IMAGE);
    if place < classes {
        // Walks through all classes: the step shares no factor with 104.
        return ((place * 37 + seed % classes) % classes) as u16;
    }
    let mut draws = Draws::new(seed, 0, u64::from(image_number), 0, Purpose::Garden);
    loop {
        let class = draws.below(classes) as u16;
        // Between 0.35 and 1 by class, the same in every garden.
        let odds = 0.35 + 0.65 * f64::from(paint::hash2(u32::from(class), 11) & 1023) / 1023.0;
        if draws.unit() < odds {
            return class;
        }
    }
}

/// The id of a picture: a one-to-one scrambling of its number within 36 bits.
fn id_of(seed: u64, image_number: u32) -> String {
    const MASK: u64 = (1 << 36) - 1;
    let mut mixed = u64::from(image_number) ^ (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 28);
    for factor in [0x5_9E37_79B1u64, 0x9_85EB_CA77, 0x3_C2B2_AE3D] {
        mixed = mixed.wrapping_mul(factor) & MASK;
        mixed ^= mixed >> 19;
    }
    format!("{mixed:09x}")
}

#[cfg(test)]
mod tests;
