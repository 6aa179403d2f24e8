//! Permission to use one example once, and how each of its views is cut.
//! Not here: which tickets a phase has (see `plan`) or what became of them (see `outcome`).

use crate::distortion::{Distortion, drawn_flip};
use crate::geometry::{self, CropBox, Size};
use crate::jitter::Jitter;
use crate::limits::VIEWS_MAX;
use crate::random::{Draws, Purpose};

/// One use of one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Place in the phase's plan, from 0.
    pub seq: u64,
    /// The records of its views, numbered over the split.
    pub records: Records,
}

/// One to three records: one a view, or a single one that all views show. The same one may be there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    numbers: [u32; VIEWS_MAX],
    count: u8,
}

impl Records {
    /// One to three of them.
    pub fn of(records: &[u32]) -> Self {
        let count = records.len();
        assert!((1..=VIEWS_MAX).contains(&count), "a ticket has 1 to {VIEWS_MAX} records");
        let mut numbers = [records[0]; VIEWS_MAX];
        numbers[..count].copy_from_slice(records);
        Self { numbers, count: count as u8 }
    }

    /// All of them, in the order of the views.
    pub fn all(&self) -> &[u32] {
        &self.numbers[..usize::from(self.count)]
    }

    /// The first one: the one whose class is the ticket's.
    pub fn first(&self) -> u32 {
        self.numbers[0]
    }

    /// The place among [`Records::all`] of what a view shows: the view's own, or the only one.
    pub fn place_of(&self, view: usize) -> usize {
        if self.count == 1 { 0 } else { view }
    }

    /// The record that a view shows.
    pub fn of_view(&self, view: usize) -> u32 {
        self.numbers[self.place_of(view)]
    }

    /// Each record once, with its first place.
    pub fn distinct(self) -> impl Iterator<Item = (usize, u32)> {
        (0..usize::from(self.count))
            .filter(move |&place| !self.numbers[..place].contains(&self.numbers[place]))
            .map(move |place| (place, self.numbers[place]))
    }
}

/// How a view is cut out of its image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crop {
    /// fastai's `RandomResizedCrop`: a random box of at least this share of the area, resized to the view.
    RandomResized {
        /// Smallest share of the image's area, in (0, 1].
        min_scale: f64,
    },
    /// The whole image resized to the view, whatever its aspect.
    Resize,
    /// The largest box of the view's shape, at a random place, resized to the view: fastai's `Resize`.
    Largest,
    /// The whole image, or its largest square in the middle, resized to a square, of which the centre is taken: what fastai
    /// validates with.
    ResizeThenCentre {
        /// Side of the square, pixels; at least the view's.
        resize_px: u32,
        /// Whether what sticks out of the largest square is left out, rather than squeezed in.
        largest: bool,
    },
}

/// What happens to every view of a phase between decoding and the row. The same on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Size of the view in the batch.
    pub size: Size,
    /// How it is cut.
    pub crop: Crop,
    /// Whether half of the views are mirrored.
    pub flip: bool,
    /// Whether views are mirrored, rotated, zoomed and warped at random, in one resampling with the cut. With `flip`, half of
    /// them would be mirrored twice.
    pub distort: bool,
    /// Whether brightness and contrast vary (by the augmenters).
    pub jitter: bool,
}

/// Where one view's pixels come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The part of the upright image that is used.
    pub source: CropBox,
    /// The size that part is resized to…
    pub full: Size,
    /// …and the window of it that becomes the view.
    pub window: CropBox,
    /// Mirrored left to right.
    pub flip: bool,
    /// Distorted, last.
    pub distortion: Option<Distortion>,
}

/// What all draws of one view are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewKey {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch over the lineage, from 1.
    pub epoch: u32,
    /// Ticket.
    pub seq: u64,
    /// View of the ticket, from 0.
    pub view: u8,
}

impl ViewKey {
    /// The stream of draws for one purpose.
    pub fn draws(self, purpose: Purpose) -> Draws {
        Draws::new(self.seed, self.epoch, self.seq, self.view, purpose)
    }
}

impl Transform {
    /// Where the view's pixels come from in an upright image of this size.
    pub fn place(&self, key: ViewKey, image: Size) -> Placement {
        let whole = CropBox { x: 0, y: 0, width: image.width, height: image.height };
        let view = CropBox { x: 0, y: 0, width: self.size.width, height: self.size.height };
        let (source, full, window) = match self.crop {
            Crop::RandomResized { min_scale } => {
                let mut draws = key.draws(Purpose::Crop);
                (geometry::random_resized_crop(image, min_scale, || draws.unit()), self.size, view)
            }
            Crop::Resize => (whole, self.size, view),
            Crop::Largest => {
                let mut draws = key.draws(Purpose::Crop);
                (geometry::largest_box(image, self.size, || draws.unit()), self.size, view)
            }
            Crop::ResizeThenCentre { resize_px, largest } => {
                let full = Size { width: resize_px, height: resize_px };
                let source = if largest { geometry::largest_box(image, full, || 0.5) } else { whole };
                (source, full, geometry::centre_window(full, self.size))
            }
        };
        let flip = self.flip && drawn_flip(key);
        let distortion = self.distort.then(|| Distortion::draw(key));
        Placement { source, full, window, flip, distortion }
    }

    /// The brightness and contrast of the view, if they vary.
    pub fn jitter(&self, key: ViewKey) -> Option<Jitter> {
        self.jitter.then(|| Jitter::draw(&mut key.draws(Purpose::Jitter)))
    }
}
