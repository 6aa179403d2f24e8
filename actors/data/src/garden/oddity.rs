//! Petals of flowers that are no ring: faces, orchids, irises, spathes, brushes, peas, hanging hearts.
//! Not here: rings, rosettes, cups and funnels.

use super::classes::Form;
use super::flower::{GOLDEN_TURNS, Head, Petal, Piece, jitter};
use super::paint::{Ball, Marking};
use super::palette::common;
use super::vector::{add3, circle, scale2, scale3};
use crate::random::Draws;

/// Down, in turns.
const DOWN: f32 = 0.25;
/// Up, in turns.
const UP: f32 = 0.75;

/// Adds the petals of a head whose form is none of the regular ones.
pub fn add_petals(head: &mut Head<'_>, draws: &mut Draws) {
    match head.kit.species.form {
        Form::Face => face(head, draws),
        Form::Orchid => orchid(head, draws),
        Form::Iris => iris(head, draws),
        Form::Spathe => spathe(head),
        Form::Brush => brush(head, draws),
        Form::Thistle => thistle(head, draws),
        Form::Pea => pea(head),
        Form::Fan => fan(head, draws),
        Form::Skirt => skirt(head, draws),
        _ => locket(head),
    }
}

fn face(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    for (layer, (turn, length, width, second)) in [
        (UP - 0.07, 0.95, 0.62, true),
        (UP + 0.07, 0.95, 0.62, true),
        (0.02, 0.86, 0.52, false),
        (0.48, 0.86, 0.52, false),
        (DOWN, 0.90, 0.72, false),
    ]
    .into_iter()
    .enumerate()
    {
        let petal = Petal {
            length: length * (1.0 + jitter(draws, 0.04)),
            half_width: width,
            layer: layer as f32 * 0.4,
            faces: if second { [&palette.second; 2] } else { [&palette.petal; 2] },
            marking: Marking { veins: (if second { 0.0 } else { 0.6 }, 3.0), ..palette.marking },
            ..head.usual_petal(turn + jitter(draws, 0.008))
        };
        head.petal(&petal);
    }
}

fn orchid(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    let width = head.kit.species.width;
    let slipper = width < 0.2;
    let sepal = (width * 0.62).max(0.15);
    for turn in [UP, 0.11, 0.39] {
        let petal = Petal {
            length: 0.95,
            half_width: sepal,
            outline: &common().oval,
            ..head.usual_petal(turn + jitter(draws, 0.01))
        };
        head.petal(&petal);
    }
    for (turn, twist) in [(0.96, 0.10), (0.54, -0.10)] {
        let sag = if slipper { 0.07 } else { 0.0 };
        let turn = if turn > 0.75 { turn + sag } else { turn - sag };
        let wing = Petal {
            length: if slipper { 1.05 } else { 0.98 },
            twist,
            layer: 0.5,
            tone: 1.05,
            ..head.usual_petal(turn)
        };
        head.petal(&wing);
    }
    if slipper {
        let pouch = Ball {
            centre: head.pose.at(scale3(head.pose.down, 0.34)),
            axes: [[head.pose.radius * 0.27, 0.0], [0.0, head.pose.radius * 0.36]],
            colours: [palette.heart[0], palette.heart[1]],
            light: scale2([head.kit.light.to[0], head.kit.light.to[1]], 0.5),
            opacity: 1.0,
            blur: head.pose.blur,
        };
        head.add(1.0, Piece::Ball(pouch));
        return;
    }
    let large = width < 0.5;
    let lip = Petal {
        length: if large { 0.80 } else { 0.46 },
        half_width: if large { 0.58 } else { 0.50 },
        layer: 1.2,
        curl: 0.15,
        faces: [&palette.second; 2],
        ..head.usual_petal(DOWN)
    };
    head.petal(&lip);
    if !large {
        for turn in [0.10, 0.40] {
            head.petal(&Petal { length: 0.28, half_width: 0.5, layer: 1.3, ..Petal { turn, ..lip } });
        }
    }
}

fn iris(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    for index in 0..3 {
        let turn = (index as f32 + 0.25 + jitter(draws, 0.05)) / 3.0;
        let fall = Petal {
            length: 1.05,
            lift: -0.02,
            curl: -0.46,
            half_width: 0.46,
            marking: Marking { veins: (0.5, 4.0), ..palette.marking },
            ..head.usual_petal(turn)
        };
        head.petal(&fall);
        let beard = Petal {
            length: 0.5,
            half_width: 0.10,
            outline: &common().oval,
            layer: 0.3,
            height: 0.03,
            faces: [&palette.second; 2],
            ..fall
        };
        head.petal(&beard);
        let standard = Petal {
            length: 1.0,
            lift: 0.185,
            curl: 0.28,
            half_width: 0.44,
            faces: [&palette.petal, &palette.petal],
            tone: 1.06,
            ..head.usual_petal(turn + 1.0 / 6.0)
        };
        head.petal(&standard);
    }
}

fn spathe(head: &mut Head<'_>) {
    // One bract wrapped around the spadix: a broad back and two flanks folding over the front below.
    let whole = head.usual_petal(UP);
    head.petal(&Petal { length: 1.5, half_width: 0.50, lift: 0.13, curl: -0.1, ..whole });
    for (turn, twist) in [(0.02, -0.35), (0.48, 0.35)] {
        head.petal(&Petal { turn, length: 1.05, half_width: 0.42, lift: 0.19, twist, curl: 0.1, ..whole });
    }
}

fn brush(head: &mut Head<'_>, draws: &mut Draws) {
    let count = u32::from(head.kit.species.petals);
    let single = count > 20;
    let palette = head.kit.palette;
    for index in 0..count {
        // Spread over the half of a ball that is seen (the whole disc where many balls make a brush).
        let rise = if single { index as f32 / count as f32 } else { 0.1 };
        let lift = 0.25 * rise * rise + 0.02;
        let filament = Petal {
            base: 0.10,
            length: 0.88 * (1.0 + jitter(draws, 0.08)),
            lift,
            curl: 0.0,
            layer: 2.0 * rise,
            tone: 0.8 + 0.35 * rise,
            faces: [&palette.petal; 2],
            marking: Marking::NONE,
            ..head.usual_petal(index as f32 * GOLDEN_TURNS + jitter(draws, 0.02))
        };
        head.petal(&filament);
        if single {
            let (out, _) = head.pose.around(filament.turn);
            let (sin, cos) = circle(lift);
            let end = add3(scale3(out, cos * 0.93), scale3(head.pose.normal, sin * 0.93));
            let grain = Ball {
                centre: head.pose.at(end),
                axes: [[head.pose.radius * 0.05, 0.0], [0.0, head.pose.radius * 0.05]],
                colours: [palette.main, scale3(palette.main, 0.6)],
                light: scale2([head.kit.light.to[0], head.kit.light.to[1]], 0.6),
                opacity: 1.0,
                blur: head.pose.blur,
            };
            head.add(1.0 + rise, Piece::Ball(grain));
        }
    }
}

fn thistle(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    let count = u32::from(head.kit.species.petals);
    for index in 0..count {
        let filament = Petal {
            base: 0.12,
            length: 1.05 * (1.0 + jitter(draws, 0.12)),
            lift: 0.145 + jitter(draws, 0.05),
            curl: -0.05,
            half_width: 0.035,
            marking: Marking::NONE,
            ..head.usual_petal(index as f32 * GOLDEN_TURNS)
        };
        head.petal(&filament);
    }
    // The scaly ball below.
    for row in 0..4 {
        for index in 0..9 {
            let scale = Petal {
                base: 0.40 - 0.05 * row as f32,
                height: -0.55 + 0.16 * row as f32,
                length: 0.34,
                half_width: 0.34,
                lift: 0.20,
                curl: -0.2,
                outline: &common().blade,
                faces: [&palette.leaf; 2],
                layer: 1.0,
                tone: 0.75 + 0.1 * row as f32,
                marking: Marking::NONE,
                ..head.usual_petal((index as f32 + 0.5 * (row % 2) as f32) / 9.0)
            };
            head.petal(&scale);
        }
    }
}

fn pea(head: &mut Head<'_>) {
    let palette = head.kit.palette;
    let banner = Petal { length: 0.95, half_width: 0.70, ..head.usual_petal(UP) };
    head.petal(&banner);
    for (turn, twist) in [(0.13, 0.16), (0.37, -0.16)] {
        let wing = Petal {
            length: 0.72,
            half_width: 0.44,
            twist,
            layer: 0.8,
            faces: [&palette.second; 2],
            ..head.usual_petal(turn)
        };
        head.petal(&wing);
    }
    let keel = Petal {
        length: 0.42,
        half_width: 0.34,
        outline: &common().oval,
        layer: 1.4,
        faces: [&palette.petal; 2],
        ..head.usual_petal(DOWN)
    };
    head.petal(&keel);
}

fn fan(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    for index in 0..5 {
        let petal = Petal {
            length: 1.15 * (1.0 + jitter(draws, 0.1)),
            half_width: 0.13,
            lift: 0.0,
            curl: 0.0,
            twist: 0.12,
            layer: index as f32 * 0.1,
            tone: 0.8 + 0.09 * index as f32,
            outline: &common().blade,
            ..head.usual_petal(0.60 + 0.065 * index as f32 + jitter(draws, 0.01))
        };
        head.petal(&petal);
    }
    let arrow = Petal {
        length: 0.95,
        half_width: 0.07,
        layer: 1.0,
        lift: 0.0,
        faces: [&palette.outside; 2],
        ..head.usual_petal(0.93)
    };
    head.petal(&arrow);
    let beak = Petal {
        length: 1.25,
        half_width: 0.12,
        layer: 1.4,
        lift: 0.0,
        twist: -0.10,
        outline: &common().blade,
        faces: [&palette.leaf; 2],
        marking: Marking { colour: palette.main, rim: 0.5, ..Marking::NONE },
        ..head.usual_petal(0.985)
    };
    head.petal(&Petal { base: -0.2, ..beak });
}

fn skirt(head: &mut Head<'_>, draws: &mut Draws) {
    let palette = head.kit.palette;
    for index in 0..5 {
        let turn = (index as f32 + jitter(draws, 0.1)) / 5.0;
        let petal = Petal {
            base: 0.12,
            length: 0.80,
            half_width: 0.48,
            lift: 0.215,
            curl: -0.08,
            outline: &common().oval,
            faces: [&palette.second; 2],
            ..head.usual_petal(turn)
        };
        head.petal(&petal);
    }
    for index in 0..4 {
        let turn = (index as f32 + 0.4 + jitter(draws, 0.1)) / 4.0;
        let sepal = Petal {
            base: 0.12,
            length: 1.0,
            half_width: 0.20,
            lift: 0.02,
            curl: -0.36,
            faces: [&palette.petal; 2],
            ..head.usual_petal(turn)
        };
        head.petal(&sepal);
    }
    let tube = head.usual_petal(0.0);
    head.petal(&Petal {
        base: 0.0,
        height: -0.55,
        length: 0.62,
        half_width: 0.22,
        lift: 0.25,
        curl: 0.0,
        outline: &common().oval,
        faces: [&palette.petal; 2],
        ..tube
    });
}

fn locket(head: &mut Head<'_>) {
    let palette = head.kit.palette;
    let pose = head.pose;
    let bead = |centre: [f32; 2], size: f32| Ball {
        centre,
        axes: [[size, 0.0], [0.0, size * 1.08]],
        colours: [scale3(palette.main, 1.05), scale3(palette.main, 0.62)],
        light: scale2([head.kit.light.to[0], head.kit.light.to[1]], 0.5),
        opacity: 1.0,
        blur: pose.blur,
    };
    if head.kit.species.petals == 1 {
        let [x, y] = pose.centre;
        let body = bead([x, y], pose.radius * 0.85);
        let mouth = Ball {
            colours: [[0.8, 0.8, 0.82]; 2],
            axes: [[pose.radius * 0.34, 0.0], [0.0, pose.radius * 0.16]],
            centre: [x, y + pose.radius * 0.72],
            ..bead([x, y], 0.1)
        };
        head.add(0.0, Piece::Ball(body));
        head.add(0.1, Piece::Ball(mouth));
        return;
    }
    for (turn, twist) in [(0.185, 0.30), (0.315, -0.30)] {
        let lobe = Petal {
            base: 0.0,
            length: 1.2,
            half_width: 0.44,
            lift: 0.0,
            twist,
            curl: 0.0,
            outline: &common().oval,
            faces: [&palette.petal; 2],
            ..head.usual_petal(turn)
        };
        head.petal(&lobe);
    }
    let drop = head.usual_petal(DOWN);
    head.petal(&Petal {
        base: 0.85,
        length: 0.62,
        half_width: 0.30,
        lift: 0.0,
        layer: 0.8,
        outline: &common().oval,
        faces: [&palette.second; 2],
        ..drop
    });
}
