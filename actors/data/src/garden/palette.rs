//! From a class and a few draws to the outlines and colours of one flower.
//! Not here: where anything stands, and light.

use std::sync::OnceLock;

use super::classes::{Centre, Form, Leaf, Marks, SPECIES, Shape, Species, Tint};
use super::paint::{Marking, Outline, Ramp, Rgb};
use super::vector::{lerp, lerp3, scale3, smoothstep};
use crate::random::{Draws, Purpose};

/// How many plants have a colour that their class is not known for: colour helps, but does not carry the class.
const CULTIVAR_SHARE: f64 = 0.12;

/// What all flowers of a class share beside the table: outlines and a few habits drawn once, the same in every garden.
pub struct Habit {
    /// Outline of the petals.
    pub petal: Outline,
    /// Outline of a leaf or leaflet.
    pub leaf: Outline,
    /// Sideways bend of petals (pinwheels), in petal lengths.
    pub twist: f32,
    /// Bend of petals towards the viewer, in petal lengths.
    pub curl: f32,
    /// Size of the centre, in flower radii.
    pub centre: f32,
    /// Lines a half-width.
    pub veins: f32,
    /// Where the base's colour ends, in petal lengths.
    pub throat: f32,
}

/// Outlines that many flowers share.
pub struct Common {
    /// Stems and filaments.
    pub thread: Outline,
    /// A round-tipped body.
    pub oval: Outline,
    /// A pointed blade.
    pub blade: Outline,
}

/// The habits of every class.
pub fn habit(class: usize) -> &'static Habit {
    static HABITS: OnceLock<Vec<Habit>> = OnceLock::new();
    &HABITS.get_or_init(|| (0..SPECIES.len()).map(new_habit).collect())[class]
}

/// The outlines that many flowers share.
pub fn common() -> &'static Common {
    static COMMON: OnceLock<Common> = OnceLock::new();
    COMMON.get_or_init(|| Common {
        thread: Outline::new(|_| 1.0, 0.0, |_| -1.0),
        oval: petal_outline(Shape::Oval, 0.5),
        blade: petal_outline(Shape::Lance, 0.5),
    })
}

fn new_habit(class: usize) -> Habit {
    let species = &SPECIES[class];
    // The same for every seed: a net trained in one garden knows the flowers of another.
    let mut draws = Draws::new(0x6A7D_E11A, 0, class as u64, 255, Purpose::Garden);
    let mut between = |low: f64, high: f64| draws.between(low, high) as f32;
    let pinwheel = matches!(species.name, "periwinkle" | "frangipani" | "garden phlox");
    Habit {
        petal: petal_outline(species.shape, between(0.0, 1.0)),
        leaf: leaf_outline(species.leaf, between(0.0, 1.0)),
        twist: if pinwheel { 0.26 } else { between(-0.05, 0.05) },
        curl: match species.form {
            Form::Bell => -0.16,
            Form::Cup => 0.10,
            Form::Rosette => between(0.10, 0.22),
            _ if species.lift < 0.0 => -0.22,
            _ => between(-0.14, 0.14),
        },
        centre: between(0.8, 1.2),
        veins: between(2.4, 4.6),
        throat: between(0.20, 0.36),
    }
}

fn petal_outline(shape: Shape, variety: f32) -> Outline {
    let tip = |u: f32, power: f32| (1.0 - libm::powf(u, power)).max(0.0).sqrt();
    let more = lerp(0.85, 1.15, variety);
    match shape {
        Shape::Round => Outline::new(|u| libm::powf(u, 0.62 * more) * tip(u, 3.4), 0.0, |_| -1.0),
        Shape::Oval => Outline::new(|u| libm::powf(u, 0.55 * more) * tip(u, 1.9), 0.0, |_| -1.0),
        Shape::Lance => Outline::new(|u| libm::powf(u, 0.55) * libm::powf(1.0 - u, 0.85 * more), 0.0, |_| -1.0),
        Shape::Strap => Outline::new(|u| (0.45 + 0.55 * smoothstep(0.0, 0.4, u)) * tip(u, 9.0), 0.0, |_| -1.0),
        Shape::Needle => Outline::new(|u| (0.5 + u) * libm::powf(1.0 - u, 0.6), 0.0, |_| -1.0),
        Shape::Spoon => Outline::new(|u| (0.22 + 0.78 * smoothstep(0.1, 0.78 * more, u)) * tip(u, 5.0), 0.0, |_| -1.0),
        Shape::Heart => Outline::new(
            |u| libm::powf(u, 0.75) * tip(u, 4.5),
            0.0,
            |u| if u > 0.78 { (u - 0.78) * 2.1 * more } else { -1.0 },
        ),
        Shape::Wedge => Outline::new(|u| libm::powf(u, 0.8 * more) * tip(u, 14.0), 0.0, |_| -1.0),
        Shape::Pointed => Outline::new(
            |u| libm::powf(u, 0.5) * (1.0 - smoothstep(0.25, 1.12, u)) * tip(u, 7.0) + 0.02 * (1.0 - u),
            0.0,
            |_| -1.0,
        ),
        Shape::Ruffled => {
            Outline::new(|u| libm::powf(u, 0.7) * tip(u, 4.0) * (1.0 + 0.09 * libm::sinf(u * 26.0)), 0.0, |_| -1.0)
        }
        Shape::Trident => Outline::new(
            |u| libm::powf(u, 0.65) * tip(u, 10.0),
            0.42,
            |u| if u > 0.76 { (u - 0.76) * 1.0 * more } else { -1.0 },
        ),
    }
}

fn leaf_outline(leaf: Leaf, variety: f32) -> Outline {
    match leaf {
        Leaf::Strap | Leaf::Thread => petal_outline(Shape::Lance, variety),
        Leaf::Lance => petal_outline(Shape::Lance, variety),
        Leaf::Oval | Leaf::Pinnate => petal_outline(Shape::Oval, variety),
        Leaf::Heart => Outline::new(|u| libm::powf(u, 0.28) * libm::powf(1.0 - u, 0.75), 0.0, |u| 0.16 - u * 2.0),
        Leaf::Palmate => Outline::new(
            |u| libm::powf(u, 0.8) * libm::powf(1.0 - u, 0.6) * (1.0 + 0.10 * libm::sinf(u * 34.0)),
            0.0,
            |_| -1.0,
        ),
        Leaf::Pad => petal_outline(Shape::Round, variety),
    }
}

/// The colours of one plant in one picture.
pub struct Palette {
    /// Petals' inner faces: base to tip.
    pub petal: Ramp,
    /// Petals' outer faces.
    pub outside: Ramp,
    /// The second kind of petal, where there is one.
    pub second: Ramp,
    /// What is drawn on petals.
    pub marking: Marking,
    /// Middle and rim of the centre.
    pub heart: [Rgb; 2],
    /// Filaments and their grains.
    pub stamen: [Rgb; 2],
    /// Leaves: base, tip.
    pub leaf: Ramp,
    /// Leaves' veins.
    pub leaf_marking: Marking,
    /// Stems.
    pub stem: Ramp,
    /// The petals' main colour.
    pub main: Rgb,
}

/// Hue (turns), saturation and value, jittered, in linear light.
pub fn hsv(h: f32, s: f32, v: f32) -> Rgb {
    let h = (h - libm::floorf(h)) * 6.0;
    let channel = |shift: f32| {
        let k = (shift + h) % 6.0;
        let encoded = v - v * s * k.min(4.0 - k).clamp(0.0, 1.0);
        libm::powf(encoded.clamp(0.0, 1.0), 2.2)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

/// A tint of the class, or now and then of a cultivar that has a colour the class is not known for.
fn draw_tint(species: &Species, draws: &mut Draws) -> Tint {
    const CULTIVARS: [Tint; 14] = [
        Tint::White,
        Tint::Cream,
        Tint::Yellow,
        Tint::Gold,
        Tint::Orange,
        Tint::Red,
        Tint::Crimson,
        Tint::Pink,
        Tint::Rose,
        Tint::Purple,
        Tint::Violet,
        Tint::Blue,
        Tint::Sky,
        Tint::Lilac,
    ];
    let pick = |tints: &[Tint], draws: &mut Draws| tints[draws.below(tints.len() as u64) as usize];
    if draws.unit() < CULTIVAR_SHARE { pick(&CULTIVARS, draws) } else { pick(species.tints, draws) }
}

fn base_hsv(tint: Tint) -> (f32, f32, f32) {
    match tint {
        Tint::White => (0.12, 0.04, 0.95),
        Tint::Cream => (0.135, 0.22, 0.95),
        Tint::Yellow => (0.150, 0.82, 0.95),
        Tint::Gold => (0.122, 0.90, 0.94),
        Tint::Orange => (0.070, 0.86, 0.94),
        Tint::Red => (0.995, 0.86, 0.82),
        Tint::Crimson => (0.955, 0.84, 0.62),
        Tint::Pink => (0.925, 0.40, 0.94),
        Tint::Rose => (0.900, 0.68, 0.86),
        Tint::Purple => (0.805, 0.62, 0.62),
        Tint::Violet => (0.735, 0.58, 0.74),
        Tint::Blue => (0.640, 0.66, 0.80),
        Tint::Sky => (0.580, 0.42, 0.92),
        Tint::Lilac => (0.765, 0.34, 0.88),
        Tint::Lime => (0.215, 0.48, 0.80),
    }
}

impl Palette {
    /// Colours for one plant: a tint of its class, jittered.
    pub fn draw(species: &Species, habit: &Habit, draws: &mut Draws) -> Self {
        let (h, s, v) = base_hsv(draw_tint(species, draws));
        let h = h + draws.between(-0.035, 0.035) as f32;
        let s = (s * draws.between(0.70, 1.14) as f32).min(0.95);
        let v = (v * draws.between(0.86, 1.04) as f32).min(0.98);
        let accent_kind = draws.below(3);
        let pale = s < 0.3;
        let main = hsv(h, s, v);
        let deep = hsv(h - 0.015, (s * 1.25 + 0.10).min(1.0), v * 0.62);
        let light = hsv(h + 0.012, s * 0.62, (v * 1.12).min(1.0));
        let accent = match (accent_kind, pale) {
            (0, true) => hsv(0.91, 0.62, 0.80),
            (1, true) => hsv(0.145, 0.72, 0.92),
            (_, true) => hsv(0.78, 0.52, 0.68),
            (0, false) => deep,
            (1, false) => hsv(h, s * 0.12, 0.97),
            (_, false) => hsv(h - 0.05, (s * 1.1).min(1.0), v * 0.48),
        };
        let dark = hsv(draws.between(0.80, 1.08) as f32, 0.65, draws.between(0.14, 0.28) as f32);
        let glow = if pale { hsv(0.148, 0.72, 0.95) } else { hsv(0.15, 0.40, 0.98) };
        let (base, tip, throat) = match species.marks {
            Marks::Blotch => (dark, light, habit.throat * 1.1),
            Marks::Throat => (glow, light, habit.throat * 1.25),
            Marks::Tips => (lerp3(main, light, 0.4), accent, habit.throat),
            _ => (lerp3(main, if pale { hsv(0.2, 0.32, 0.86) } else { deep }, 0.72), light, habit.throat),
        };
        let petal = Ramp::new(base, main, tip, throat);
        let outside = Ramp::new(lerp3(deep, hsv(0.24, 0.4, 0.7), 0.35), lerp3(main, deep, 0.22), main, 0.22);
        let second = match species.form {
            Form::Duplex if accent_kind != 0 => Ramp::new(main, light, light, 0.2),
            Form::Trumpet => Ramp::new(glow, hsv(0.115, 0.88, 0.95), hsv(0.085, 0.90, 0.94), 0.3),
            Form::Orchid | Form::Skirt => Ramp::new(glow, accent, accent, 0.24),
            _ => Ramp::new(deep, light, light, 0.3),
        };
        let marking = new_marking(species, habit, accent, deep, pale);
        let green = draws.between(0.225, 0.345) as f32;
        let lush = draws.between(0.34, 0.66) as f32;
        let bright = draws.between(0.34, 0.60) as f32;
        let leaf_colour = hsv(green, lush, bright);
        Self {
            petal,
            outside,
            second,
            marking,
            heart: heart_colours(species, draws),
            stamen: [lerp3(main, hsv(0.2, 0.3, 0.9), 0.6), stamen_colour(species, draws)],
            leaf: Ramp::new(scale3(leaf_colour, 0.62), leaf_colour, hsv(green - 0.02, lush * 0.9, bright * 1.14), 0.3),
            leaf_marking: Marking {
                colour: hsv(green - 0.02, lush * 0.6, (bright * 1.35).min(0.9)),
                veins: (if species.leaf == Leaf::Strap { 0.16 } else { 0.22 }, 3.2),
                midrib: 0.5,
                ..Marking::NONE
            },
            stem: Ramp::flat(hsv(green - 0.015, lush * 0.85, bright * 0.98)),
            main,
        }
    }
}

fn new_marking(species: &Species, habit: &Habit, accent: Rgb, deep: Rgb, pale: bool) -> Marking {
    let lines = if pale { hsv(0.86, 0.34, 0.70) } else { deep };
    let faint = Marking { colour: lines, veins: (0.13, habit.veins), ..Marking::NONE };
    match species.marks {
        Marks::Plain | Marks::Blotch | Marks::Throat | Marks::Tips => faint,
        Marks::Veins => Marking { veins: (0.62, habit.veins), ..faint },
        Marks::Rib => Marking { colour: accent, midrib: 0.85, veins: (0.0, 1.0), ..faint },
        Marks::Spots => Marking { colour: if pale { accent } else { deep }, spots: (0.62, 8.0 + habit.veins), ..faint },
        Marks::Rim => Marking { colour: accent, rim: 0.9, veins: (0.0, 1.0), ..faint },
    }
}

/// The colours of a centre: most often those of its kind, but any flower may have any.
fn heart_colours(species: &Species, draws: &mut Draws) -> [Rgb; 2] {
    let shift = draws.between(-0.025, 0.025) as f32;
    let tone = draws.between(0.8, 1.1) as f32;
    let usual = match species.centre {
        Centre::Dark | Centre::WideDisc => 0,
        Centre::Cone => 1,
        Centre::Buttons => 2,
        _ => 3,
    };
    let kind = if draws.below(10) < 5 { usual } else { draws.below(4) };
    let [middle, rim] = match kind {
        0 => [hsv(0.06 + shift, 0.55, 0.30), hsv(0.05 + shift, 0.72, 0.16)],
        1 => [hsv(0.06 + shift, 0.80, 0.55), hsv(0.02 + shift, 0.75, 0.28)],
        2 => [hsv(0.19 + shift, 0.50, 0.84), hsv(0.22 + shift, 0.52, 0.52)],
        _ => [hsv(0.142 + shift, 0.85, 0.96), hsv(0.105 + shift, 0.92, 0.74)],
    };
    [scale3(middle, tone), scale3(rim, tone)]
}

fn stamen_colour(species: &Species, draws: &mut Draws) -> Rgb {
    match (species.centre, draws.below(4)) {
        (Centre::Dark, 0..=2) => hsv(0.8, 0.4, 0.14),
        (Centre::LongStamens, 0 | 1) => hsv(0.045, 0.80, 0.48),
        (_, 0) => hsv(0.10, 0.3, 0.85),
        _ => hsv(0.13, 0.85, 0.90),
    }
}
