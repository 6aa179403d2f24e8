//! One hash for "these pixels come out of these bytes on this machine".
//! Not for: the identity of a data set (that is hashed over its records).

use crate::geometry::Size;
use crate::jpeg::planes::PlanarPicture;
use crate::picture::{DecodeMode, ImageDecoder, Picture};
use crate::planar::PlanarResampler;
use crate::resample::{ResamplePath, Resampler};
use crate::simd::Simd;
use sha2::{Digest, Sha256};

/// The decoders by their versions; a test keeps them in step with `Cargo.lock`.
const DECODERS: [(&str, &str); 3] = [("zune-jpeg", "0.5.15"), ("zune-core", "0.5.3"), ("png", "0.18.1")];

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
    let mut views = Views { simd: Simd::detect(), hash };
    for (name, jpeg) in JPEGS {
        views.hash.update(format!("{name}\n"));
        let mut decoder = ImageDecoder::with_simd(DecodeMode::Strict, views.simd);
        if resample == ResamplePath::Planar
            && let Ok(Some(picture)) = decoder.decode_planes(jpeg, Size::whole)
        {
            views.add_planar(&picture);
            continue;
        }
        match decoder.decode(jpeg) {
            Ok(picture) => views.add(&picture),
            // Not an error here: a machine that can't decode one differs from those that can, and that is the answer.
            Err(bad) => views.hash.update(format!("{}: {}\n", bad.kind, bad.detail)),
        }
    }
    views.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is hashed of each picture: itself, and resized to a view that is larger one way and smaller the other.
struct Views {
    simd: Simd,
    hash: Sha256,
}

impl Views {
    const FULL: Size = Size { width: 29, height: 7 };

    fn add(&mut self, picture: &Picture<'_>) {
        self.add_size(picture.size);
        self.hash.update(picture.pixels);
        let mut view = vec![0; Self::FULL.px() as usize * 3];
        let source = picture.size.whole();
        Resampler::new(self.simd).resample(picture, source, Self::FULL, Self::FULL.whole(), false, &mut view);
        self.hash.update(&view);
    }

    /// Made as large as it is, too, which shows the samples and the colours.
    fn add_planar(&mut self, picture: &PlanarPicture<'_>) {
        self.add_size(picture.size);
        for full in [picture.size, Self::FULL] {
            let mut view = vec![0; full.px() as usize * 3];
            let source = picture.size.whole();
            PlanarResampler::new(self.simd).resample(picture, source, full, full.whole(), false, &mut view);
            self.hash.update(&view);
        }
    }

    fn add_size(&mut self, size: Size) {
        self.hash.update(size.width.to_le_bytes());
        self.hash.update(size.height.to_le_bytes());
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
