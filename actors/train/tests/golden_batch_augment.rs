//! Batch augmentation with given draws, against fastai.

use fastgarden_data::distortion::Distortion;
use fastgarden_data::jitter::Jitter;
use fastgarden_train::batch_augment::{distort, light};
use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::fill::input;
use crate::golden::{parse, read};

/// What every picture was given, one number a picture.
#[derive(Deserialize)]
struct Drawn {
    flip: Vec<u8>,
    rotate_degrees: Vec<f64>,
    zoom: Vec<f64>,
    zoom_x: Vec<f64>,
    zoom_y: Vec<f64>,
    warp_x: Vec<f64>,
    warp_y: Vec<f64>,
    brightness: Vec<f32>,
    contrast: Vec<f32>,
}

impl Drawn {
    fn distortion(&self, row: usize) -> Distortion {
        Distortion {
            flip: self.flip[row] == 1,
            rotation_degrees: self.rotate_degrees[row],
            zoom: self.zoom[row],
            zoom_x: self.zoom_x[row],
            zoom_y: self.zoom_y[row],
            warp_x: self.warp_x[row],
            warp_y: self.warp_y[row],
        }
    }

    fn jitter(&self, row: usize) -> Jitter {
        Jitter { brightness: self.brightness[row], contrast: self.contrast[row] }
    }
}

#[test]
fn golden_batch_augment() {
    let set = read("augment.json");
    let case: &Value = &set["batch_transform"];
    let shape: Vec<i64> = parse(&case["input_shape"]);
    let drawn: Drawn = parse(&case["draws"]);
    let rows = 0..drawn.flip.len();
    assert_eq!(rows.len() as i64, shape[0], "as many draws as pictures");
    let distortions: Vec<Distortion> = rows.clone().map(|row| drawn.distortion(row)).collect();
    let jitters: Vec<Jitter> = rows.map(|row| drawn.jitter(row)).collect();
    for (kind, tolerance) in [(Kind::Float, 2e-5), (Kind::Double, 1e-5)] {
        let images = input(&shape, parse(&set["input_phase"]), kind);
        let distorted = distort(&images, &distortions);
        check(&distorted, &case["affine_warp"], tolerance, "affine and warp");
        check(&light(distorted, &jitters), &case["affine_warp_light"], tolerance, "with lighting");
    }
}

fn check(found: &Tensor, expected: &Value, tolerance: f64, what: &str) {
    let samples: Vec<(i64, i64, i64, i64, f64)> = parse(&expected["samples_n_c_y_x_value"]);
    assert!(!samples.is_empty());
    for (n, c, y, x, value) in samples {
        let pixel = found.double_value(&[n, c, y, x]);
        assert!((pixel - value).abs() <= tolerance, "{what}: {pixel}, not {value}, at {:?}", [n, c, y, x]);
    }
    let sums: Vec<Vec<f64>> = parse(&expected["sums_per_image_and_channel"]);
    let pixels = (found.size()[2] * found.size()[3]) as f64;
    for (n, channels) in sums.iter().enumerate() {
        for (c, &sum) in channels.iter().enumerate() {
            let found = found.get(n as i64).get(c as i64).sum(Kind::Double).double_value(&[]);
            assert!((found - sum).abs() <= tolerance * pixels, "{what}: the sum of {n}, {c} is {found}, not {sum}");
        }
    }
}
