//! Plants: stems, leaves, and flower heads standing alone, in groups, heads, balls, spikes and arches.
//! Not here: what a single head looks like, and what is behind the plant.

use super::classes::{Bloom, Form, Leaf};
use super::flower::{GOLDEN_TURNS, Kit, Pose, jitter, paint_head};
use super::paint::{Ball, Blade, Canvas, Marking, Ramp};
use super::palette::{common, habit};
use super::vector::{Vec2, Vec3, add2, circle, lerp, scale2, unit3};
use crate::random::Draws;

/// Where a plant stands in the picture.
#[derive(Clone, Copy)]
pub struct Stand {
    /// The middle of its flowers.
    pub centre: Vec2,
    /// Half the extent of its flowers, unit coordinates.
    pub reach: f32,
    /// Where single flowers look.
    pub facing: Vec3,
    /// How the plant leans: turns away from upright.
    pub lean: f32,
    /// Radius of the blur, unit coordinates.
    pub blur: f32,
}

/// Paints one plant: leaves and stems first, then its flowers from the back to the front.
pub fn paint_plant(canvas: &mut Canvas, kit: Kit<'_>, stand: Stand, draws: &mut Draws) {
    let heads = place_heads(kit, stand, draws);
    let foot = [stand.centre[0] + stand.lean * 2.2, 1.25f32.max(stand.centre[1] + 0.7)];
    paint_leaves(canvas, kit, stand, foot, draws);
    paint_stems(canvas, kit, stand, &heads, foot);
    for pose in heads {
        paint_head(canvas, kit, pose, draws);
    }
}

/// A head before it has its turn: depth, place, radius, where it looks.
type Spot = (f32, Vec2, f32, Vec3);

/// The heads of a plant, farthest first.
fn place_heads(kit: Kit<'_>, stand: Stand, draws: &mut Draws) -> Vec<Pose> {
    let form = kit.species.form;
    let mut spots = match kit.species.bloom {
        Bloom::Single => vec![(0.0, stand.centre, single_radius(form, stand.reach), stand.facing)],
        Bloom::Group(count) => group(count, stand, draws),
        Bloom::Dome(count) => dome(count, 0.55, false, stand, draws),
        Bloom::Globe(count) => dome(count, 0.95, false, stand, draws),
        Bloom::Umbel(count) => dome(count, 0.55, true, stand, draws),
        Bloom::Spike(count) => spike(count, form, stand),
        Bloom::Arch(count) => arching(count, form, stand, draws),
        Bloom::Drape(count) => drape(count, stand, draws),
    };
    spots.sort_by(|a, b| a.0.total_cmp(&b.0));
    let roll = free_roll(form);
    let mut posed = |(_, at, radius, normal): Spot| {
        let turn = if roll { draws.unit() as f32 } else { stand.lean + jitter(draws, 0.03) };
        Pose::new(at, radius, normal, turn, stand.blur)
    };
    spots.into_iter().map(&mut posed).collect()
}

/// A few flowers around a point.
fn group(count: u8, stand: Stand, draws: &mut Draws) -> Vec<Spot> {
    let Stand { centre, reach, facing, .. } = stand;
    let radius = reach * if count < 4 { 0.58 } else { 0.44 };
    let start = draws.unit() as f32;
    let spot = |index: u8| {
        let (sin, cos) = circle(start + (f32::from(index) + jitter(draws, 0.14)) / f32::from(count));
        let spread = reach * if index == 0 && count > 4 { 0.1 } else { 0.62 };
        let at = [centre[0] + cos * spread, centre[1] + sin * spread * 0.85];
        let normal = wobble(facing, 0.28, draws);
        (f32::from(index), at, radius * (1.0 + jitter(draws, 0.12)), normal)
    };
    (0..count).map(spot).collect()
}

/// Flowers over half a ball that faces the viewer; an umbel is seen from the side.
fn dome(count: u8, outward: f32, umbel: bool, stand: Stand, draws: &mut Draws) -> Vec<Spot> {
    let Stand { centre, reach, .. } = stand;
    let radius = reach * if umbel { 1.0 } else { 1.35 } / f32::from(count).sqrt();
    let (flat, swell) = if umbel { (0.52, -0.25 * reach) } else { (1.0, 0.0) };
    let start = draws.unit() as f32;
    let spot = |index: u8| {
        let share = ((f32::from(index) + 0.5) / f32::from(count)).sqrt();
        let (sin, cos) = circle(start + f32::from(index) * GOLDEN_TURNS + jitter(draws, 0.015));
        let ring = share * (1.0 - radius / reach * 0.45);
        let rise = (1.0 - ring * ring).max(0.0).sqrt();
        let at = [centre[0] + cos * ring * reach, centre[1] + sin * ring * reach * flat + swell * rise];
        let normal = [cos * ring * outward, sin * ring * outward - 0.15, rise + 0.35];
        (rise, at, radius * (1.0 + jitter(draws, 0.08)), normal)
    };
    (0..count).map(spot).collect()
}

/// Flowers in a spiral along an upright stem, smaller towards its tip.
fn spike(count: u8, form: Form, stand: Stand) -> Vec<Spot> {
    let Stand { centre, reach, lean, .. } = stand;
    let many = f32::from(count);
    let slender = count < 10 || form == Form::Bell;
    let wide = reach * if slender { 0.14 } else { 0.24 };
    let size = reach * (1.9 / many).sqrt() * if count < 10 { 0.62 } else { spike_share(form) };
    let spot = |index: u8| {
        let height = (f32::from(index) + 0.5) / many;
        let taper = lerp(1.0, 0.42, height * height);
        let (sin, cos) = circle(f32::from(index) * GOLDEN_TURNS + 0.1);
        let y = centre[1] + reach * 1.25 * (1.0 - 2.0 * height);
        let x = centre[0] - lean * (y - centre[1]) * 6.0 + cos * wide * taper;
        let normal = match form {
            Form::Bell => [cos * 0.8, 0.75, 0.35],
            _ => [cos * 0.9, -0.25 + 0.2 * (1.0 - height), 0.55 + 0.6 * sin.max(0.0)],
        };
        (sin - height * 0.2, [x, y], size * taper, normal)
    };
    (0..count).map(spot).collect()
}

/// Flowers hanging from an arching stem.
fn arching(count: u8, form: Form, stand: Stand, draws: &mut Draws) -> Vec<Spot> {
    let side = arch_side(stand);
    let spot = |index: u8| {
        let share = (f32::from(index) + 0.5) / f32::from(count);
        let at = add2(arch(stand, side, share), [0.0, stand.reach * 0.10]);
        let size = if count < 3 { 0.80 } else { 0.44 } * stand.reach * (1.15 - 0.45 * share);
        let (size, normal) = match form {
            Form::Orchid => (size * 1.15, stand.facing),
            Form::Locket => (size * 0.85, [0.3 * side, 0.0, 1.0]),
            _ => (size, [0.35 * side, 1.0, 0.30]),
        };
        (f32::from(index), at, size, wobble(normal, 0.12, draws))
    };
    (0..count).map(spot).collect()
}

/// Flowers around a hanging stem, fewer and smaller towards its end.
fn drape(count: u8, stand: Stand, draws: &mut Draws) -> Vec<Spot> {
    let Stand { centre, reach, .. } = stand;
    let spot = |index: u8| {
        let share = (f32::from(index) + 0.5) / f32::from(count);
        let (sin, cos) = circle(f32::from(index) * GOLDEN_TURNS);
        let wide = reach * 0.42 * (1.0 - 0.8 * share);
        let at = [centre[0] + cos * wide, centre[1] - reach * 1.2 + 2.5 * reach * share + sin * 0.02];
        (f32::from(index), at, reach * 0.27 * (1.0 - 0.45 * share), wobble([cos * 0.5, 0.1, 0.9], 0.12, draws))
    };
    (0..count).map(spot).collect()
}

/// Whether heads of this form may be turned about their axis.
fn free_roll(form: Form) -> bool {
    !matches!(form, Form::Face | Form::Orchid | Form::Spathe | Form::Pea | Form::Fan | Form::Locket | Form::Skirt)
}

/// How much of its room along a spike a head takes.
fn spike_share(form: Form) -> f32 {
    match form {
        Form::Brush => 1.5,
        Form::Bell => 0.92,
        Form::Pea => 0.95,
        _ => 0.72,
    }
}

/// Radius of a single head whose flower shall fill `reach`.
fn single_radius(form: Form, reach: f32) -> f32 {
    reach
        * match form {
            Form::Cup => 0.95,
            Form::Iris | Form::Thistle => 0.85,
            Form::Spathe => 0.80,
            Form::Fan => 0.95,
            _ => 1.0,
        }
}

fn wobble(normal: Vec3, size: f32, draws: &mut Draws) -> Vec3 {
    unit3([normal[0] + jitter(draws, size), normal[1] + jitter(draws, size), normal[2]])
}

/// Where an arching stem hangs to: −1 left, 1 right.
fn arch_side(stand: Stand) -> f32 {
    if stand.facing[0] < 0.0 { -1.0 } else { 1.0 }
}

/// A point of an arching stem, from its top (0) to its hanging end (1).
fn arch(stand: Stand, side: f32, share: f32) -> Vec2 {
    let x = stand.centre[0] + side * stand.reach * (1.5 * share - 0.75);
    [x, stand.centre[1] + stand.reach * (share * share * 1.35 - 0.75)]
}

/// A stem from one point to another, bowed.
fn stem(canvas: &mut Canvas, kit: Kit<'_>, from: Vec2, to: Vec2, bow: Vec2, half_width: f32, blur: f32) {
    let axis = [to[0] - from[0] - bow[0], to[1] - from[1] - bow[1]];
    let length = (axis[0] * axis[0] + axis[1] * axis[1]).sqrt().max(1e-4);
    let across = [-axis[1] / length * half_width, axis[0] / length * half_width];
    let lit = across[0] * kit.light.to[0] + across[1] * kit.light.to[1];
    Blade {
        origin: from,
        axis,
        across,
        bend: bow,
        outline: &common().thread,
        ramp: &kit.palette.stem,
        marking: Marking::NONE,
        light: [0.85, -0.1, 0.4 * if lit > 0.0 { 1.0 } else { -1.0 }],
        blur,
        shadow: (if blur > 0.01 { 0.0 } else { 0.25 }, half_width * 2.5),
        salt: 0,
    }
    .paint(canvas);
}

fn paint_stems(canvas: &mut Canvas, kit: Kit<'_>, stand: Stand, heads: &[Pose], foot: Vec2) {
    let Stand { centre, reach, blur, lean, .. } = stand;
    let thick = 0.010 + 0.018 * reach;
    let bow = [lean * 0.5, 0.0];
    match kit.species.bloom {
        Bloom::Single => stem(canvas, kit, centre, foot, bow, thick, blur),
        Bloom::Group(_) | Bloom::Umbel(_) => {
            let hub = [centre[0] + lean, centre[1] + reach * 1.15];
            stem(canvas, kit, hub, foot, bow, thick, blur);
            for pose in heads {
                stem(canvas, kit, pose.centre, hub, [0.0, 0.05 * reach], thick * 0.45, blur);
            }
        }
        Bloom::Dome(_) | Bloom::Globe(_) => stem(canvas, kit, centre, foot, bow, thick, blur),
        Bloom::Spike(_) => {
            let top = [centre[0] + lean * reach * 7.8, centre[1] - reach * 1.3];
            stem(canvas, kit, top, foot, [0.0, 0.0], thick * 0.7, blur);
        }
        Bloom::Arch(_) => {
            let side = arch_side(stand);
            let (first, last) = (arch(stand, side, 0.0), arch(stand, side, 1.0));
            let bow = [0.0, stand.reach * 1.35];
            stem(canvas, kit, first, last, bow, thick * 0.5, blur);
            let ground = [centre[0] - side * reach * 1.3, foot[1]];
            stem(canvas, kit, first, ground, [-side * reach * 0.25, 0.2], thick * 0.6, blur);
            for pose in heads {
                let share = ((pose.centre[0] - centre[0]) / (side * reach) + 0.75) / 1.5;
                stem(canvas, kit, arch(stand, side, share), pose.centre, [0.0; 2], thick * 0.3, blur);
            }
        }
        Bloom::Drape(_) => {
            let top = [centre[0] - stand.lean, -0.1];
            stem(canvas, kit, top, [centre[0], centre[1] + reach * 1.2], [0.0; 2], thick * 0.4, blur);
        }
    }
}

/// One leaf or leaflet.
#[derive(Clone, Copy)]
struct Sprig {
    /// Where it begins.
    from: Vec2,
    /// Where it points, turns.
    turn: f32,
    /// Its length, unit coordinates.
    length: f32,
    /// Half its width by its length.
    width: f32,
    /// Bend sideways, in lengths.
    bow: f32,
}

fn leaf(canvas: &mut Canvas, kit: Kit<'_>, sprig: Sprig, blur: f32) {
    let Sprig { from, turn, length, width, bow } = sprig;
    let (sin, cos) = circle(turn);
    let across = [-sin * length * width, cos * length * width];
    let class_habit = kit.habit;
    let lit = if across[0] * kit.light.to[0] + across[1] * kit.light.to[1] > 0.0 { 1.0 } else { -1.0 };
    Blade {
        origin: from,
        axis: [cos * length, sin * length],
        across,
        bend: [-sin * bow * length, cos * bow * length],
        outline: &class_habit.leaf,
        ramp: &kit.palette.leaf,
        marking: kit.palette.leaf_marking,
        light: [kit.light.on([0.0, -0.35, 0.9]) * 0.82, 0.14, 0.16 * lit],
        blur,
        shadow: (if blur > 0.01 { 0.0 } else { 0.38 }, 0.035),
        salt: 0,
    }
    .paint(canvas);
}

/// The leaves of one plant, by their kind.
fn paint_leaves(canvas: &mut Canvas, kit: Kit<'_>, stand: Stand, foot: Vec2, draws: &mut Draws) {
    let Stand { centre, reach, blur, .. } = stand;
    let drape = matches!(kit.species.bloom, Bloom::Drape(_));
    let size = reach * (1.0 + jitter(draws, 0.15));
    let on_stem = |share: f32| {
        let to = if drape { [centre[0], -0.1] } else { foot };
        add2(scale2(centre, 1.0 - share), scale2(to, share))
    };
    let count = 3 + draws.below(3) as u32;
    for index in 0..count {
        let side = if index % 2 == 0 { 0.0 } else { 0.5 };
        let tilt = draws.between(-0.13, 0.08) as f32;
        let turn = if side == 0.0 { tilt } else { side - tilt };
        let bow = if side == 0.0 { 0.12 } else { -0.12 } * (1.0 + jitter(draws, 0.6));
        let from = on_stem(0.26 + 0.62 * (index as f32 + 0.3) / count as f32);
        match kit.species.leaf {
            Leaf::Strap => {
                let base = [foot[0] + jitter(draws, 0.16), foot[1]];
                let up = 0.75 + jitter(draws, 0.075);
                leaf(
                    canvas,
                    kit,
                    Sprig { from: base, turn: up, length: 0.85 + jitter(draws, 0.25), width: 0.045, bow: bow * 2.0 },
                    blur,
                );
            }
            Leaf::Thread => {
                for finger in 0..5 {
                    let spread = turn + (finger as f32 - 2.0) * 0.045 + jitter(draws, 0.015);
                    leaf(canvas, kit, Sprig { from, turn: spread, length: size * 0.95, width: 0.022, bow }, blur);
                }
            }
            Leaf::Lance => leaf(canvas, kit, Sprig { from, turn, length: size * 1.15, width: 0.12, bow }, blur),
            Leaf::Oval => leaf(canvas, kit, Sprig { from, turn, length: size * 0.95, width: 0.29, bow }, blur),
            Leaf::Heart => leaf(
                canvas,
                kit,
                Sprig { from, turn: turn + 0.02, length: size * 0.92, width: 0.52, bow: bow * 0.4 },
                blur,
            ),
            Leaf::Pinnate => pinnate(canvas, kit, from, turn, size * 1.15, blur),
            Leaf::Palmate => {
                for finger in 0..5 {
                    let aside = finger as f32 - 2.0;
                    let long = size * 0.78 * (1.0 - 0.11 * aside * aside);
                    leaf(
                        canvas,
                        kit,
                        Sprig { from, turn: turn + aside * 0.092, length: long, width: 0.20, bow: 0.0 },
                        blur,
                    );
                }
            }
            Leaf::Pad => {
                let at = [centre[0] + jitter(draws, 0.42), centre[1] + reach * (0.7 + jitter(draws, 0.5))];
                pad(canvas, kit, at, size * (0.62 + jitter(draws, 0.12)), blur);
            }
        }
    }
}

fn pinnate(canvas: &mut Canvas, kit: Kit<'_>, from: Vec2, turn: f32, length: f32, blur: f32) {
    let (sin, cos) = circle(turn);
    let tip = [from[0] + cos * length * 0.8, from[1] + sin * length * 0.8];
    stem(canvas, kit, from, tip, [0.0; 2], 0.005, blur);
    for pair in 0..4 {
        let share = 0.25 + 0.2 * pair as f32;
        let at = [lerp(from[0], tip[0], share), lerp(from[1], tip[1], share)];
        for side in [-0.14, 0.14] {
            leaf(
                canvas,
                kit,
                Sprig {
                    from: at,
                    turn: turn + side,
                    length: length * (0.40 - 0.05 * pair as f32),
                    width: 0.26,
                    bow: 0.0,
                },
                blur,
            );
        }
    }
    leaf(canvas, kit, Sprig { from: tip, turn, length: length * 0.3, width: 0.28, bow: 0.0 }, blur);
}

/// A round leaf lying flat, a little from above.
fn pad(canvas: &mut Canvas, kit: Kit<'_>, at: Vec2, radius: f32, blur: f32) {
    let ramp: &Ramp = &kit.palette.leaf;
    let shade = kit.light.on([0.0, -0.5, 0.8]) * 0.85;
    let colour = |u: f32| ramp.at(u).map(|channel| channel * shade);
    Ball {
        centre: at,
        axes: [[radius, 0.0], [0.0, radius * 0.62]],
        colours: [colour(0.95), colour(0.3)],
        light: scale2([kit.light.to[0], kit.light.to[1]], 0.2),
        opacity: 1.0,
        blur,
    }
    .paint(canvas);
    for rib in 0..9 {
        let (sin, cos) = circle(rib as f32 / 9.0 + 0.03);
        let end = [at[0] + cos * radius * 0.9, at[1] + sin * radius * 0.56];
        stem(canvas, kit, at, end, [0.0; 2], 0.0022, blur);
    }
}

/// Leaves out of focus between the viewer and the flower, or in the background: any class's foliage.
pub fn paint_loose_leaf(
    canvas: &mut Canvas,
    kit: Kit<'_>,
    from: Vec2,
    turn: f32,
    length: f32,
    blur: f32,
    draws: &mut Draws,
) {
    let strange = habit(draws.below(super::classes::SPECIES.len() as u64) as usize);
    let kit = Kit { habit: strange, ..kit };
    leaf(
        canvas,
        kit,
        Sprig { from, turn, length, width: 0.10 + 0.2 * draws.unit() as f32, bow: jitter(draws, 0.2) },
        blur,
    );
}
