//! One flower head: petals, centre and stamens placed in space, sorted by depth and painted.
//! Not here: where heads stand on a plant, and what surrounds them.

use super::classes::{Form, Shape, Species};
use super::funnel::Funnel;
use super::heart;
use super::paint::{Ball, Blade, Canvas, Marking, Outline, Ramp};
use super::palette::{Habit, Palette, common};
use super::vector::{Vec2, Vec3, add2, add3, circle, cross3, dot3, lerp, scale2, scale3, seen, unit3};
use crate::random::Draws;

/// The golden angle, turns: seeds, florets and petals in spirals stand that far apart.
pub const GOLDEN_TURNS: f32 = 0.381_966;

/// Where the light comes from and how strong it is.
#[derive(Clone, Copy)]
pub struct Light {
    /// To the light.
    pub to: Vec3,
    /// Light from everywhere.
    pub ambient: f32,
    /// Light from its direction.
    pub direct: f32,
}

impl Light {
    /// Light on a surface that looks along `normal`.
    pub fn on(&self, normal: Vec3) -> f32 {
        self.ambient + self.direct * dot3(normal, self.to).max(0.0)
    }
}

/// Where a flower head stands.
#[derive(Clone, Copy)]
pub struct Pose {
    /// Where the petals meet.
    pub centre: Vec2,
    /// From there to the tips of flat petals, unit coordinates.
    pub radius: f32,
    /// Right, in the flower's plane.
    pub right: Vec3,
    /// Down, in the flower's plane.
    pub down: Vec3,
    /// Out of the flower's face.
    pub normal: Vec3,
    /// Radius of the blur, unit coordinates.
    pub blur: f32,
}

impl Pose {
    /// A head that looks along `normal`, turned about it by `roll` turns.
    pub fn new(centre: Vec2, radius: f32, normal: Vec3, roll: f32, blur: f32) -> Self {
        let normal = unit3(normal);
        // In the plane, and as near to the picture's right as can be.
        let right = unit3(cross3([normal[0] * 0.01, 1.0, 0.02], normal));
        let down = cross3(normal, right);
        let (sin, cos) = circle(roll);
        let turned = |a: Vec3, b: Vec3| add3(scale3(a, cos), scale3(b, sin));
        Self { centre, radius, right: turned(right, down), down: turned(down, scale3(right, -1.0)), normal, blur }
    }

    /// The direction at an angle (turns) in the flower's plane, and the one a quarter turn on.
    pub fn around(&self, turn: f32) -> (Vec3, Vec3) {
        let (sin, cos) = circle(turn);
        (add3(scale3(self.right, cos), scale3(self.down, sin)), add3(scale3(self.right, -sin), scale3(self.down, cos)))
    }

    /// A place given in radii along a direction in space.
    pub fn at(&self, offset: Vec3) -> Vec2 {
        add2(self.centre, scale2(seen(offset), self.radius))
    }
}

/// One petal in the flower's own terms; lengths in radii, angles in turns.
#[derive(Clone, Copy)]
pub struct Petal<'a> {
    /// Where it points.
    pub turn: f32,
    /// How far from the middle it begins.
    pub base: f32,
    /// Its length.
    pub length: f32,
    /// Half its width.
    pub half_width: f32,
    /// How far it rises from the plane.
    pub lift: f32,
    /// Bend towards its inner face, in lengths.
    pub curl: f32,
    /// Bend sideways, in lengths.
    pub twist: f32,
    /// How far above the flower's plane it is attached.
    pub height: f32,
    /// Layer: later ones are painted over earlier ones.
    pub layer: f32,
    /// Its share of the light.
    pub tone: f32,
    /// Its outline.
    pub outline: &'a Outline,
    /// Its colours inside and outside.
    pub faces: [&'a Ramp; 2],
    /// What is drawn on it.
    pub marking: Marking,
}

/// A shape that waits for its turn.
pub enum Piece<'a> {
    /// A petal or filament.
    Blade(Blade<'a>),
    /// A grain or knob.
    Ball(Ball),
    /// A corolla.
    Funnel(Funnel<'a>),
}

/// What a head is drawn from.
#[derive(Clone, Copy)]
pub struct Kit<'a> {
    /// Its class.
    pub species: &'a Species,
    /// The habits of its class.
    pub habit: &'a Habit,
    /// Its colours.
    pub palette: &'a Palette,
    /// The light.
    pub light: Light,
}

/// The pieces of one head, with their depths.
pub struct Head<'a> {
    /// What it is drawn from.
    pub kit: Kit<'a>,
    /// Where it stands.
    pub pose: Pose,
    pieces: Vec<(f32, Piece<'a>)>,
}

impl<'a> Head<'a> {
    /// Adds a piece at a depth (larger is nearer).
    pub fn add(&mut self, depth: f32, piece: Piece<'a>) {
        self.pieces.push((depth, piece));
    }

    /// A petal as its class has it.
    pub fn usual_petal(&self, turn: f32) -> Petal<'a> {
        let Kit { species, habit, palette, .. } = self.kit;
        Petal {
            turn,
            base: 0.03,
            length: 0.97,
            half_width: species.width,
            lift: species.lift,
            curl: habit.curl,
            twist: habit.twist,
            height: 0.0,
            layer: 0.0,
            tone: 1.0,
            outline: &habit.petal,
            faces: [&palette.petal, &palette.outside],
            marking: palette.marking,
        }
    }

    /// Places one petal in space.
    pub fn petal(&mut self, petal: &Petal<'a>) {
        let Pose { radius, normal, blur, .. } = self.pose;
        let (out, beside) = self.pose.around(petal.turn);
        let (sin, cos) = circle(petal.lift);
        let along = add3(scale3(out, cos), scale3(normal, sin));
        let face = add3(scale3(out, -sin), scale3(normal, cos));
        let light = self.kit.light;
        let (visible, ramp, dim) =
            if face[2] >= -0.05 { (face, petal.faces[0], 1.0) } else { (scale3(face, -1.0), petal.faces[1], 0.94) };
        let length = petal.length * radius;
        let across = scale3(beside, petal.half_width * length);
        let axis = seen(scale3(along, length));
        let bend = scale3(add3(scale3(face, petal.curl), scale3(beside, petal.twist)), length);
        let level = light.on(visible) * petal.tone * dim;
        let turned = light.direct * petal.curl * dot3(along, light.to);
        let hollow = -0.26 * light.direct * dot3(beside, light.to) * if face[2] >= -0.05 { 1.0 } else { -1.0 };
        let start = add3(scale3(out, petal.base), scale3(normal, petal.height));
        let depth = petal.layer * 0.4 * normal[2].max(0.0) + start[2] + along[2] * petal.length * 0.5;
        let blade = Blade {
            origin: self.pose.at(start),
            axis,
            across: broad_enough(axis, seen(across)),
            bend: seen(bend),
            outline: petal.outline,
            ramp,
            marking: petal.marking,
            light: [level * 0.90 + 0.3 * turned, level * 0.13 - turned, hollow],
            blur,
            shadow: (
                if blur > 0.01 { 0.0 } else { 0.42 },
                (0.10 * radius.min(0.3)).min(0.02 * radius + 0.5 * petal.half_width * length),
            ),
            salt: (petal.turn * 4096.0 + petal.layer * 77.0) as u32,
        };
        self.add(depth, Piece::Blade(blade));
    }

    fn paint(mut self, canvas: &mut Canvas) {
        self.pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, piece) in &self.pieces {
            match piece {
                Piece::Blade(blade) => blade.paint(canvas),
                Piece::Ball(ball) => ball.paint(canvas),
                Piece::Funnel(funnel) => funnel.paint(canvas),
            }
        }
    }

    /// Petals in rings, each ring turned against the one before.
    fn rings(&mut self, draws: &mut Draws) {
        let Kit { species, palette, .. } = self.kit;
        let count = f32::from(species.petals);
        for layer in 0..species.layers {
            let inner = f32::from(layer);
            for index in 0..species.petals {
                let turn = (f32::from(index) + 0.5 * inner + jitter(draws, 0.10)) / count;
                let mut petal = self.usual_petal(turn);
                petal.length *= (1.0 - 0.22 * inner) * (1.0 + jitter(draws, 0.05));
                petal.half_width *= 1.0 + jitter(draws, 0.07);
                petal.lift += 0.05 * inner + jitter(draws, 0.012);
                petal.curl += jitter(draws, 0.05);
                petal.layer = inner;
                petal.tone = (1.0 + jitter(draws, 0.05)) * (0.93 + 0.06 * inner);
                if species.form == Form::Duplex && layer == 1 {
                    petal.length *= 0.82;
                    petal.half_width *= if species.petals == 3 { 1.35 } else { 1.2 };
                    petal.lift += 0.03;
                    petal.outline = if species.petals == 3 { petal.outline } else { &common().oval };
                    petal.faces[0] = &palette.second;
                }
                self.petal(&petal);
            }
        }
    }

    /// Rays around a disc; a few layers differ little.
    fn rays(&mut self, draws: &mut Draws) {
        let species = self.kit.species;
        let count = f32::from(species.petals);
        let start = heart::disc_radius(self.kit) * 0.75;
        for layer in 0..species.layers {
            let inner = f32::from(layer);
            for index in 0..species.petals {
                let turn = (f32::from(index) + inner * 0.5 + jitter(draws, 0.16)) / count;
                let mut petal = self.usual_petal(turn);
                let reach = 1.0 - start;
                petal.base = start;
                petal.length = reach * (1.0 - 0.2 * inner) * (1.0 + jitter(draws, 0.05));
                petal.half_width = species.width / petal.length;
                petal.lift += 0.03 * inner + jitter(draws, 0.014);
                petal.layer = inner;
                petal.tone = (1.0 + jitter(draws, 0.07)) * (0.90 + 0.08 * inner);
                self.petal(&petal);
            }
        }
    }

    /// Layers that get shorter and steeper towards the middle.
    fn rosette(&mut self, draws: &mut Draws) {
        let species = self.kit.species;
        let layers = f32::from(species.layers);
        for layer in 0..species.layers {
            let inner = f32::from(layer) / (layers - 1.0).max(1.0);
            let count = (f32::from(species.petals) * lerp(1.0, 0.6, inner)) as u32;
            for index in 0..count {
                let turn = (index as f32 + 0.618 * f32::from(layer) + jitter(draws, 0.12)) / count as f32;
                let mut petal = self.usual_petal(turn);
                petal.length = lerp(0.97, 0.34, inner) * (1.0 + jitter(draws, 0.06));
                petal.half_width *= 1.0 + jitter(draws, 0.1);
                petal.lift += inner * 0.10 + jitter(draws, 0.015);
                petal.curl += 0.15 * inner;
                petal.layer = f32::from(layer) + 0.5;
                petal.tone = (1.0 + jitter(draws, 0.08)) * lerp(0.86, 1.06, inner);
                self.petal(&petal);
            }
        }
    }

    /// Petals that hide each other by depth alone: cups, bells, shuttles.
    fn cup(&mut self, draws: &mut Draws) {
        let species = self.kit.species;
        let count = f32::from(species.petals);
        for index in 0..species.petals {
            let mut petal = self.usual_petal((f32::from(index) + jitter(draws, 0.1)) / count);
            petal.base = match species.form {
                Form::Bell => 0.15,
                Form::Shuttle => 0.10,
                _ => 0.08,
            };
            petal.length = 1.25 * (1.0 + jitter(draws, 0.04));
            petal.lift += jitter(draws, 0.01);
            petal.tone = 1.0 + jitter(draws, 0.06);
            if species.form == Form::Shuttle {
                petal.twist = 0.2;
            }
            self.petal(&petal);
        }
    }

    /// A corolla grown together.
    fn funnel(&mut self, draws: &mut Draws) {
        let Kit { species, palette, light, .. } = self.kit;
        let Pose { radius, right, down, normal, blur, .. } = self.pose;
        let cuts = (species.width, if species.shape == Shape::Ruffled { 1.0 } else { 0.15 });
        let depth = 0.45 + jitter(draws, 0.1);
        // The throat lies behind the rim: a tilted funnel shows it aside.
        let throat = [-dot2(normal, right) * depth, -dot2(normal, down) * depth];
        let facing = [dot3(light.to, right) * light.direct * 0.55, dot3(light.to, down) * light.direct * 0.55];
        self.add(
            0.0,
            Piece::Funnel(Funnel {
                centre: self.pose.centre,
                axes: [scale2(seen(right), radius), scale2(seen(down), radius)],
                throat,
                lobes: u32::from(species.petals),
                cuts,
                ramp: &palette.petal,
                marking: palette.marking,
                light: (light.on(normal), facing),
                blur,
                shadow: (if blur > 0.01 { 0.0 } else { 0.4 }, 0.14 * radius),
            }),
        );
    }
}

/// Paints one flower head.
pub fn paint_head(canvas: &mut Canvas, kit: Kit<'_>, pose: Pose, draws: &mut Draws) {
    let mut head = Head { kit, pose, pieces: Vec::with_capacity(64) };
    match kit.species.form {
        Form::Ring | Form::Duplex => head.rings(draws),
        Form::Daisy => head.rays(draws),
        Form::Rosette => head.rosette(draws),
        Form::Trumpet => head.rings(draws),
        Form::Funnel => head.funnel(draws),
        Form::Cup | Form::Bell | Form::Shuttle => head.cup(draws),
        _ => super::oddity::add_petals(&mut head, draws),
    }
    heart::add_centre(&mut head, draws);
    head.paint(canvas);
}

/// Uniform in −size..size.
pub fn jitter(draws: &mut Draws, size: f32) -> f32 {
    draws.between(-f64::from(size), f64::from(size)) as f32
}

fn dot2(normal: Vec3, axis: Vec3) -> f32 {
    let length = (axis[0] * axis[0] + axis[1] * axis[1]).max(0.04);
    (normal[0] * axis[0] + normal[1] * axis[1]) / length
}

/// Widens petals seen exactly from their edge, so that something of them is seen, and keeps them from being sheared
/// into spikes.
fn broad_enough(axis: Vec2, across: Vec2) -> Vec2 {
    let length = (axis[0] * axis[0] + axis[1] * axis[1]).sqrt().max(1e-5);
    let along = [axis[0] / length, axis[1] / length];
    let normal = [-along[1], along[0]];
    let width = across[0] * normal[0] + across[1] * normal[1];
    let shear = across[0] * along[0] + across[1] * along[1];
    let least = 0.22 * (across[0] * across[0] + across[1] * across[1]).sqrt().max(length * 0.02);
    let kept = width.abs().max(least);
    let signed = if width < 0.0 { -kept } else { kept };
    add2(scale2(normal, signed), scale2(along, shear.clamp(-1.1 * kept, 1.1 * kept)))
}
