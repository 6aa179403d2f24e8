//! The centres of flowers: knobs, stamens, discs, cones, crowns and cups.
//! Not here: petals.

use super::classes::{Centre, Form};
use super::flower::{GOLDEN_TURNS, Head, Kit, Petal, Piece, jitter};
use super::funnel::Funnel;
use super::paint::{Ball, Marking, Ramp, Rgb};
use super::palette::common;
use super::vector::{add3, circle, lerp3, scale2, scale3, seen};
use crate::random::Draws;

/// Radius of the disc of a daisy, in radii of the flower.
pub fn disc_radius(kit: Kit<'_>) -> f32 {
    let usual = match kit.species.centre {
        Centre::WideDisc => 0.36,
        Centre::Cone => 0.27,
        Centre::Disc => 0.24,
        Centre::Buttons => 0.30,
        Centre::Filaments => 0.22,
        _ => 0.08,
    };
    usual * kit.habit.centre
}

/// Adds what stands in the middle.
pub fn add_centre<'a>(head: &mut Head<'a>, draws: &mut Draws) {
    let heart = head.kit.palette.heart;
    let size = head.kit.habit.centre;
    match head.kit.species.centre {
        Centre::Bare => {}
        Centre::Knob => knob(head, 0.10 * size, heart),
        Centre::Eye => {
            knob(head, 0.15 * size, heart);
            knob(head, 0.05 * size, [scale3(heart[1], 0.4); 2]);
        }
        Centre::Stamens => {
            stamens(head, 18, 0.30 * size, 0.13, 0.026, draws);
            knob(head, 0.085 * size, heart);
        }
        Centre::LongStamens => stamens(head, 6, 0.62 * size, 0.14, 0.042, draws),
        Centre::Dark => {
            stamens(head, 26, 0.33 * size, 0.10, 0.028, draws);
            knob(head, 0.14 * size, heart);
        }
        Centre::Disc | Centre::WideDisc => dots(head, disc_radius(head.kit), 0.10, draws),
        Centre::Cone => {
            let daisy = head.kit.species.form == Form::Daisy;
            let (radius, height) = if daisy { (disc_radius(head.kit), 0.34) } else { (0.12 * size, 0.26) };
            dots(head, radius, height, draws);
        }
        Centre::Column => column(head, draws),
        Centre::Filaments => crown(head, draws),
        Centre::Corona => corona(head, 0.40 * size.min(1.05), 0.42),
        Centre::SmallCorona => corona(head, 0.24 * size, 0.12),
        Centre::Buttons => buttons(head, draws),
    }
}

/// Depth of something `height` radii above the petals' plane.
fn depth(head: &Head<'_>, height: f32) -> f32 {
    let facing = head.pose.normal[2];
    let layers = f32::from(head.kit.species.layers);
    let rise = circle(head.kit.species.lift.clamp(0.0, 0.25)).0;
    facing.max(0.0) * (0.4 * layers + 0.5 * rise) + facing * height
}

/// A ball `height` radii above the plane, shaded by the light.
fn ball(head: &Head<'_>, offset: [f32; 3], radius: f32, colours: [Rgb; 2], flat: bool) -> Ball {
    let pose = head.pose;
    let size = radius * pose.radius;
    let level = head.kit.light.on(pose.normal);
    let axes = if flat { [seen(pose.right), seen(pose.down)] } else { [[1.0, 0.0], [0.0, 1.0]] };
    let light = head.kit.light;
    let toward = [
        (axes[0][0] * light.to[0] + axes[0][1] * light.to[1]) * light.direct * 0.7,
        (axes[1][0] * light.to[0] + axes[1][1] * light.to[1]) * light.direct * 0.7,
    ];
    Ball {
        centre: pose.at(offset),
        axes: [scale2(axes[0], size), scale2(axes[1], size)],
        colours: [scale3(colours[0], level), scale3(colours[1], level)],
        light: toward,
        opacity: 1.0,
        blur: pose.blur,
    }
}

fn knob(head: &mut Head<'_>, radius: f32, colours: [Rgb; 2]) {
    let height = radius * 0.5;
    let offset = scale3(head.pose.normal, height);
    let piece = ball(head, offset, radius, colours, true);
    head.add(depth(head, height) + 0.02 - radius * 0.05, Piece::Ball(piece));
}

fn thread<'a>(head: &Head<'a>, turn: f32, ramp: &'a Ramp) -> Petal<'a> {
    Petal {
        outline: &common().thread,
        faces: [ramp, ramp],
        marking: Marking::NONE,
        curl: 0.0,
        twist: 0.0,
        half_width: 0.03,
        ..head.usual_petal(turn)
    }
}

/// Filaments around the middle, each with a grain at its end.
fn stamens(head: &mut Head<'_>, count: u32, length: f32, lift: f32, grain: f32, draws: &mut Draws) {
    let detail = head.pose.radius > 0.07;
    let count = if detail { count } else { count.min(6) };
    let [_, tip] = head.kit.palette.stamen;
    let start = if head.kit.species.form == Form::Cup { 0.0 } else { 0.02 };
    let above = depth(head, 0.0);
    for index in 0..count {
        let turn = (index as f32 + jitter(draws, 0.35)) / count as f32;
        let long = length * (1.0 + jitter(draws, 0.22));
        let rise = lift + jitter(draws, 0.03);
        let ramp = &head.kit.palette.second;
        let filament = Petal {
            base: start,
            length: long,
            lift: rise,
            half_width: (0.009 / long).max(0.02),
            layer: f32::from(head.kit.species.layers) + 0.2,
            ..thread(head, turn, ramp)
        };
        head.petal(&filament);
        let (sin, cos) = circle(rise);
        let (out, _) = head.pose.around(turn);
        let end = add3(scale3(out, start + long * cos), scale3(head.pose.normal, long * sin));
        let piece = ball(head, end, grain, [tip, scale3(tip, 0.7)], false);
        head.add(above + 0.05 + end[2] * 0.4, Piece::Ball(piece));
    }
}

/// A disc or dome of florets in a sunflower spiral.
fn dots(head: &mut Head<'_>, radius: f32, height: f32, draws: &mut Draws) {
    let colours = head.kit.palette.heart;
    let normal = head.pose.normal;
    let ground = ball(head, scale3(normal, height * 0.2), radius, [colours[1], scale3(colours[1], 0.55)], true);
    head.add(depth(head, 0.0) - 0.01, Piece::Ball(ground));
    let detail = radius * head.pose.radius;
    let count = if detail > 0.05 {
        90
    } else if detail > 0.02 {
        46
    } else {
        14
    };
    let phase = draws.unit() as f32;
    for index in 0..count {
        let share = ((index as f32 + 0.5) / count as f32).sqrt();
        let (out, _) = head.pose.around(phase + index as f32 * GOLDEN_TURNS);
        let rise = height * (1.0 - share * share);
        let place = add3(scale3(out, radius * share * 0.97), scale3(normal, rise));
        let tone = 0.82 + 0.36 * draws.unit() as f32;
        let colour = scale3(lerp3(colours[1], colours[0], 0.25 + 0.75 * share * share), tone);
        let grain = ball(head, place, radius * 0.9 / (count as f32).sqrt(), [colour, scale3(colour, 0.5)], false);
        head.add(depth(head, rise) + 0.001 * (place[2] - rise), Piece::Ball(grain));
    }
}

/// One long column with grains along its end.
fn column(head: &mut Head<'_>, draws: &mut Draws) {
    let spathe = head.kit.species.form == Form::Spathe;
    let (length, lift) = if spathe { (0.85, 0.25) } else { (0.62, 0.19) };
    let ramp = &head.kit.palette.second;
    let turn = 0.2 + jitter(draws, 0.2);
    let above = depth(head, 0.1);
    let rod = Petal {
        base: 0.0,
        length,
        lift,
        half_width: 0.05,
        layer: f32::from(head.kit.species.layers) + 0.4,
        ..thread(head, turn, ramp)
    };
    head.petal(&rod);
    let (sin, cos) = circle(lift);
    let (out, beside) = head.pose.around(turn);
    let colours = head.kit.palette.heart;
    for index in 0..22 {
        let along = length * (0.45 + 0.57 * index as f32 / 22.0);
        let place = add3(scale3(out, along * cos), scale3(head.pose.normal, along * sin));
        let place = add3(place, scale3(beside, jitter(draws, 0.06)));
        let piece = ball(head, place, 0.034, colours, false);
        head.add(above + 0.2 + 0.01 * index as f32, Piece::Ball(piece));
    }
}

/// A crown of thread-like rays.
fn crown(head: &mut Head<'_>, draws: &mut Draws) {
    let count = if head.pose.radius > 0.1 { 48 } else { 20 };
    let passion = head.kit.species.form == Form::Ring;
    let (length, lift) = if passion { (0.50, 0.01) } else { (0.34, 0.10) };
    for index in 0..count {
        let turn = (index as f32 + jitter(draws, 0.3)) / count as f32;
        let ray = Petal {
            base: 0.06,
            length: length * (1.0 + jitter(draws, 0.1)),
            lift: lift + jitter(draws, 0.015),
            half_width: 0.022,
            layer: f32::from(head.kit.species.layers) + 0.1,
            ..thread(head, turn, if passion { &head.kit.palette.outside } else { &head.kit.palette.petal })
        };
        head.petal(&ray);
    }
    let heart = head.kit.palette.heart;
    knob(head, 0.10, heart);
    if passion {
        stamens(head, 5, 0.26, 0.11, 0.05, draws);
    }
}

/// A cup in the middle, its rim ruffled.
fn corona(head: &mut Head<'_>, radius: f32, height: f32) {
    let Kit { palette, light, .. } = head.kit;
    let pose = head.pose;
    let ramp = &palette.second;
    let place = scale3(pose.normal, height);
    // The wall between the petals and the rim, where the cup is seen aslant.
    for step in 0..6 {
        let share = step as f32 / 6.0;
        let colour = scale3(palette.heart[1], 0.75 + 0.2 * share);
        let wall =
            ball(head, scale3(place, share), radius * (0.62 + 0.34 * share), [colour, scale3(colour, 0.8)], true);
        head.add(depth(head, height * share), Piece::Ball(wall));
    }
    let facing = [0, 1].map(|axis| {
        let along = if axis == 0 { pose.right } else { pose.down };
        (along[0] * light.to[0] + along[1] * light.to[1] + along[2] * light.to[2]) * light.direct * 0.5
    });
    let size = radius * pose.radius;
    let aside = [pose.right, pose.down].map(|axis| {
        let length = (axis[0] * axis[0] + axis[1] * axis[1]).max(0.04);
        -(pose.normal[0] * axis[0] + pose.normal[1] * axis[1]) / length * 0.6
    });
    let rim = Funnel {
        centre: pose.at(place),
        axes: [scale2(seen(pose.right), size), scale2(seen(pose.down), size)],
        throat: aside,
        lobes: 9,
        cuts: (0.10, 1.0),
        ramp,
        marking: Marking::NONE,
        light: (light.on(pose.normal), facing),
        blur: pose.blur,
        shadow: (0.3, 0.1 * size),
    };
    head.add(depth(head, height) + 0.05, Piece::Funnel(rim));
    let stigma = ball(head, scale3(pose.normal, height * 0.4), 0.05, palette.heart, false);
    head.add(depth(head, height) + 0.06, Piece::Ball(stigma));
}

/// Several small cushions.
fn buttons(head: &mut Head<'_>, draws: &mut Draws) {
    let reach = disc_radius(head.kit);
    let colours = head.kit.palette.heart;
    let many = head.kit.species.layers > 1;
    let count = if many { 26 } else { 7 };
    let size = if many { 0.05 } else { 0.105 };
    for index in 0..count {
        let share = (index as f32 / count as f32).sqrt();
        let (out, _) = head.pose.around(index as f32 * GOLDEN_TURNS + jitter(draws, 0.01));
        let place = add3(scale3(out, reach * share), scale3(head.pose.normal, 0.06));
        let piece = ball(head, place, size, [colours[0], colours[1]], false);
        head.add(depth(head, 0.1) + 0.01 * index as f32, Piece::Ball(piece));
    }
}
