//! One hash for "these pixels come out of these bytes on this machine".
//! Not for: the identity of a data set (that is hashed over its records).

use crate::distortion::Distortion;
use crate::geometry::Size;
use crate::picture::{DecodeMode, Decoded, ImageDecoder};
use crate::resample::ResamplePath;
use crate::simd::Simd;
use crate::ticket::Placement;
use crate::view::ViewMaker;
use sha2::{Digest, Sha256};

/// The decoders by their versions; a test keeps them in step with `Cargo.lock`.
const DECODERS: [(&str, &str); 3] = [("zune-jpeg", "0.5.15"), ("zune-core", "0.5.3"), ("png", "0.18.1")];

/// One of every kind.
const DISTORTION: Distortion =
    Distortion { flip: true, rotation_degrees: 7.0, zoom: 1.05, zoom_x: 0.2, zoom_y: 0.7, warp_x: 0.1, warp_y: -0.15 };

/// Names a fixture by its file.
macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../fixtures/fingerprint/", $name, ".jpg")).as_slice())
    };
}

/// Tiny JPEGs of every kind the decoder treats differently (made by `fixtures/make_fingerprint_jpegs.py`).
pub(crate) const JPEGS: [(&str, &[u8]); 16] = [
    fixture!("01-444"),
    fixture!("02-422"),
    fixture!("03-420"),
    fixture!("04-440"),
    fixture!("05-411"),
    fixture!("06-progressive-444"),
    fixture!("07-progressive-420"),
    fixture!("08-grey"),
    fixture!("09-grey-progressive"),
    fixture!("10-cmyk"),
    fixture!("11-ycck"),
    fixture!("12-restarts"),
    fixture!("13-one-pixel"),
    fixture!("14-wide-coarse"),
    fixture!("15-rgb"),
    fixture!("16-quarter-turn"),
];

/// Hex SHA-256 over the decoders' versions, the name of the resample path, and what this machine makes of sixteen
/// built-in JPEGs on that path, decoded and resized. Machines with the same fingerprint fill the same rows from the same
/// records.
pub fn decoder_fingerprint(resample: ResamplePath) -> String {
    let mut hash = Sha256::new();
    for (name, version) in DECODERS {
        hash.update(format!("{name} {version}\n"));
    }
    hash.update(format!("resample {}\n", resample.name()));
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    let mut views = ViewMaker::new(Simd::detect());
    for (name, jpeg) in JPEGS {
        hash.update(format!("{name}\n"));
        match decoder.decode_for(resample, jpeg, Size::whole) {
            Ok(image) => hash_image(&mut hash, &image, &mut views),
            // Not an error here: a machine that can't decode one differs from those that can, and that is the answer.
            Err(bad) => hash.update(format!("{}: {}\n", bad.kind, bad.detail)),
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds an image as large as it is, and resized to a view that is larger one way and smaller the other, without and with a
/// distortion.
fn hash_image(hash: &mut Sha256, image: &Decoded<'_>, views: &mut ViewMaker) {
    let source = image.size().whole();
    hash.update(source.width.to_le_bytes());
    hash.update(source.height.to_le_bytes());
    let oblong = Size { width: 29, height: 7 };
    for (full, distortion) in [(image.size(), None), (oblong, None), (oblong, Some(DISTORTION))] {
        let mut view = vec![0; full.px() as usize * 3];
        views.make(image, &Placement { source, full, window: full.whole(), flip: false, distortion }, &mut view);
        hash.update(&view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stated_versions_are_those_in_use() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).expect("the workspace has a lock file");
        for (name, version) in DECODERS {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} {version} is not what Cargo.lock holds");
        }
    }

    #[test]
    fn the_fingerprint_is_stable_and_depends_on_the_resample_path() {
        let fingerprint = decoder_fingerprint(ResamplePath::Pil);
        assert_eq!(fingerprint.len(), 64);
        assert_eq!(fingerprint, decoder_fingerprint(ResamplePath::Pil));
        assert_ne!(fingerprint, decoder_fingerprint(ResamplePath::Planar));
    }
}
