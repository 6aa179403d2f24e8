//! One picture: light, background, plants, foreground, lens and film.
//! Not here: which class it shows, and files.

use std::sync::OnceLock;

use super::backdrop::{Backdrop, paint_foreground};
use super::classes::{Bloom, Form, SPECIES};
use super::flower::{Kit, Light, jitter};
use super::paint::{Canvas, Rgb, hash2};
use super::palette::{Palette, habit};
use super::plant::{Stand, paint_plant};
use super::vector::unit3;
use crate::random::{Draws, Purpose};

/// Steps of the table from linear light to 8 bits.
const FILM_STEPS: usize = 4096;
/// Linear light at its end.
const FILM_MAX: f32 = 2.0;

/// Draws the pixels (RGB, row by row) of one picture of `class`.
pub fn draw_pixels(seed: u64, image_number: u32, class: usize, side_px: usize) -> Vec<u8> {
    let stream = |view: u8| Draws::new(seed, 0, u64::from(image_number), view, Purpose::Garden);
    let species = &SPECIES[class];
    let mut scene = stream(1);
    let light = draw_light(&mut scene);
    let habit = habit(class);
    let palette = Palette::draw(species, habit, &mut stream(2));
    let kit = Kit { species, habit, palette: &palette, light };

    let stand = draw_stand(species.form, species.bloom, &mut scene);
    let mut backdrop = Backdrop::draw(kit, &mut stream(3));
    if backdrop.is_open() {
        for index in 0..scene.below(3) as u8 {
            let far = distant(stand, &mut scene);
            paint_plant(&mut backdrop.small, kit, far, &mut stream(16 + index));
        }
    }
    let mut canvas = backdrop.enlarge(side_px);
    if scene.below(10) < 4 {
        let neighbour = beside(stand, &mut scene);
        paint_plant(&mut canvas, kit, neighbour, &mut stream(5));
    }
    paint_plant(&mut canvas, kit, stand, &mut stream(4));
    if scene.below(10) < 4 {
        paint_foreground(&mut canvas, kit, &mut stream(6));
    }
    develop(&canvas, &mut stream(7))
}

fn draw_light(draws: &mut Draws) -> Light {
    let soft = draws.unit() as f32;
    Light {
        to: unit3([jitter(draws, 0.8), draws.between(-0.95, -0.2) as f32, draws.between(0.45, 1.1) as f32]),
        ambient: 0.42 + 0.26 * soft,
        direct: 0.94 - 0.40 * soft,
    }
}

/// Where the main plant stands: side views look sideways, open flowers more or less at the viewer.
fn draw_stand(form: Form, bloom: Bloom, draws: &mut Draws) -> Stand {
    let reach = draws.between(0.20, 0.41) as f32;
    let room = 0.60 - reach;
    let tall = matches!(bloom, Bloom::Spike(_) | Bloom::Drape(_) | Bloom::Arch(_));
    let centre = [
        0.5 + jitter(draws, room * if tall { 0.4 } else { 0.55 }),
        0.47 + jitter(draws, room * if tall { 0.25 } else { 0.45 }),
    ];
    // Flowers seen from the side grow away from where their petals meet.
    let rise = match (form, bloom) {
        (Form::Cup | Form::Iris | Form::Shuttle, Bloom::Single) => 0.45,
        (Form::Thistle | Form::Spathe, Bloom::Single) => 0.35,
        _ => 0.0,
    };
    let centre = [centre[0], centre[1] + rise * reach];
    let facing = match form {
        Form::Cup => [jitter(draws, 0.35), draws.between(-1.0, -0.75) as f32, draws.between(0.30, 0.75) as f32],
        Form::Iris | Form::Thistle | Form::Shuttle => [jitter(draws, 0.25), -1.0, draws.between(0.25, 0.5) as f32],
        Form::Skirt | Form::Bell => [jitter(draws, 0.25), 1.0, draws.between(0.1, 0.4) as f32],
        Form::Spathe => [jitter(draws, 0.3), draws.between(-0.75, -0.35) as f32, 0.8],
        Form::Face | Form::Orchid | Form::Pea | Form::Fan | Form::Locket => {
            [jitter(draws, 0.42), draws.between(-0.3, 0.25) as f32, 1.0]
        }
        _ => [jitter(draws, 0.75), draws.between(-0.80, 0.40) as f32, 1.0],
    };
    Stand {
        centre,
        reach: if tall { 0.08 + 0.85 * reach } else { reach },
        facing: unit3(facing),
        lean: jitter(draws, 0.045),
        blur: 0.0,
    }
}

/// The same kind of plant, far away and out of focus.
fn distant(main: Stand, draws: &mut Draws) -> Stand {
    Stand {
        centre: [draws.between(-0.05, 1.05) as f32, draws.between(0.05, 0.8) as f32],
        reach: main.reach * draws.between(0.35, 0.6) as f32,
        facing: unit3([jitter(draws, 0.5) + main.facing[0], main.facing[1], main.facing[2]]),
        lean: jitter(draws, 0.04),
        blur: draws.between(0.018, 0.04) as f32,
    }
}

/// A second plant, a little behind the first and a little out of focus.
fn beside(main: Stand, draws: &mut Draws) -> Stand {
    let side = if main.centre[0] > 0.5 { -1.0 } else { 1.0 };
    Stand {
        centre: [
            main.centre[0] + side * draws.between(0.36, 0.55) as f32,
            main.centre[1] + draws.between(-0.30, 0.25) as f32,
        ],
        reach: main.reach * draws.between(0.55, 0.8) as f32,
        facing: unit3([main.facing[0] + jitter(draws, 0.3), main.facing[1], main.facing[2]]),
        lean: jitter(draws, 0.05),
        blur: draws.between(0.004, 0.014) as f32,
    }
}

/// The film: linear light to 8 bits, with a soft shoulder.
fn film() -> &'static [f32; FILM_STEPS + 1] {
    static FILM: OnceLock<[f32; FILM_STEPS + 1]> = OnceLock::new();
    FILM.get_or_init(|| {
        core::array::from_fn(|step| {
            let linear = step as f32 / FILM_STEPS as f32 * FILM_MAX;
            let soft = if linear < 0.6 { linear } else { 1.0 - 0.4 * libm::expf(-(linear - 0.6) / 0.4) };
            libm::powf(soft, 1.0 / 2.2) * 255.0
        })
    })
}

/// Exposure, colour temperature, saturation, vignette and grain.
fn develop(canvas: &Canvas, draws: &mut Draws) -> Vec<u8> {
    let side = canvas.side_px();
    let film = film();
    let exposure = draws.between(0.92, 1.30) as f32;
    let warmth = jitter(draws, 0.18);
    let green = jitter(draws, 0.05);
    let vivid = draws.between(0.82, 1.16) as f32;
    let gains: Rgb = [exposure * (1.0 + warmth), exposure * (1.0 + green), exposure * (1.0 - warmth)];
    let dark_corners = draws.between(0.0, 0.42) as f32;
    let grain = draws.between(1.0, 7.0) as f32;
    let haze = draws.between(0.0, 0.016) as f32;
    let salt = draws.below(1 << 32) as u32;
    let scale = FILM_STEPS as f32 / FILM_MAX;
    let centred = |place: usize| (place as f32 + 0.5) / side as f32 - 0.5;
    let mut bytes = vec![0u8; side * side * 3];
    for (row, (line, out)) in canvas.pixels().chunks_exact(side).zip(bytes.chunks_exact_mut(side * 3)).enumerate() {
        let dy = centred(row);
        for (column, (px, out)) in line.iter().zip(out.chunks_exact_mut(3)).enumerate() {
            let dx = centred(column);
            let shade = 1.0 - dark_corners * (dx * dx + dy * dy) * 1.6;
            let hash = hash2((row * side + column) as u32, salt);
            // Two bytes added make a triangle, near enough to the grain of film; 0.5 rounds.
            let noise = (((hash & 255) + ((hash >> 8) & 255)) as f32 / 255.0 - 1.0) * grain + 0.5;
            let grey = 0.25 * px[0] + 0.60 * px[1] + 0.15 * px[2];
            for channel in 0..3 {
                let pure = (grey + (px[channel] - grey) * vivid).max(0.0);
                let linear = (pure * gains[channel] * shade + haze) * scale;
                let level = film[(linear as usize).min(FILM_STEPS)];
                out[channel] = (level + noise) as u8;
            }
        }
    }
    bytes
}
