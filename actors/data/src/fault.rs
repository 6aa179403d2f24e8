//! Everything that can be wrong with a shard's bytes, by kind, with place and way out.
//! Not here: I/O errors (they are not properties of the bytes) and bugs.

use std::fmt;

/// What is wrong. The snake-case name ([`FaultKind::name`]) is stable: it stands in reports, ledgers and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The masked CRC-32C of a record's length field does not fit: framing is lost here.
    LengthCrcMismatch,
    /// The length is protected by a right CRC but is beyond [`crate::limits::RECORD_BYTES_MAX`].
    LengthTooLarge,
    /// The file ends inside a record.
    Truncated,
    /// The masked CRC-32C of a record's payload does not fit.
    DataCrcMismatch,
    /// The shard's name states a count that its records do not reach or exceed.
    CountDiffersFromName,
    /// The file is not a TFRecord file at all (a JPEG, a zip, a text file…).
    NotATfrecord,
    /// A compressed shard does not inflate, or inflates beyond its limits.
    DamagedCompression,
    /// The payload is not a `tf.train.Example`.
    NotAnExample,
    /// The example lacks the image feature.
    MissingImage,
    /// The example lacks the label feature (in a split that needs one).
    MissingLabel,
    /// The label is negative or not below the number of classes.
    LabelOutOfRange,
    /// A feature is there with another type than is needed.
    WrongFeatureType,
    /// The image bytes are neither JPEG nor PNG.
    NotAnImage,
    /// The image does not decode: cut short or damaged.
    DamagedImage,
    /// The image is beyond the limits on pixels, sides, scans or decode scratch.
    ImageTooLarge,
    /// A form of JPEG or PNG that the decoder does not know.
    UnsupportedImage,
    /// The decoder panicked on these bytes, twice.
    DecoderPanicked,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::LengthCrcMismatch,
        Self::LengthTooLarge,
        Self::Truncated,
        Self::DataCrcMismatch,
        Self::CountDiffersFromName,
        Self::NotATfrecord,
        Self::DamagedCompression,
        Self::NotAnExample,
        Self::MissingImage,
        Self::MissingLabel,
        Self::LabelOutOfRange,
        Self::WrongFeatureType,
        Self::NotAnImage,
        Self::DamagedImage,
        Self::ImageTooLarge,
        Self::UnsupportedImage,
        Self::DecoderPanicked,
    ];

    /// The stable snake-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LengthCrcMismatch => "length_crc_mismatch",
            Self::LengthTooLarge => "length_too_large",
            Self::Truncated => "truncated",
            Self::DataCrcMismatch => "data_crc_mismatch",
            Self::CountDiffersFromName => "count_differs_from_name",
            Self::NotATfrecord => "not_a_tfrecord",
            Self::DamagedCompression => "damaged_compression",
            Self::NotAnExample => "not_an_example",
            Self::MissingImage => "missing_image",
            Self::MissingLabel => "missing_label",
            Self::LabelOutOfRange => "label_out_of_range",
            Self::WrongFeatureType => "wrong_feature_type",
            Self::NotAnImage => "not_an_image",
            Self::DamagedImage => "damaged_image",
            Self::ImageTooLarge => "image_too_large",
            Self::UnsupportedImage => "unsupported_image",
            Self::DecoderPanicked => "decoder_panicked",
        }
    }

    /// What the owner of the data can do about it.
    pub fn way_out(self) -> &'static str {
        match self {
            Self::LengthCrcMismatch | Self::DataCrcMismatch => "copy the shard again from its source",
            Self::Truncated | Self::CountDiffersFromName => {
                "copy the whole shard again: it was cut short or is still being written"
            }
            Self::LengthTooLarge => "write the record again below 64 MiB",
            Self::NotATfrecord => "point --data at .tfrec files, or at a folder of images a class",
            Self::DamagedCompression => "compress the shard again, or store it plain",
            Self::NotAnExample | Self::WrongFeatureType => "write the record again as a tf.train.Example",
            Self::MissingImage | Self::MissingLabel => "name the right features in [data.features] of the recipe",
            Self::LabelOutOfRange => "set data.classes in the recipe to the number of classes",
            Self::NotAnImage | Self::UnsupportedImage => "store the image as a JPEG or PNG",
            Self::DamagedImage => "replace the image, or read it with data.decode = \"lenient\"",
            Self::ImageTooLarge => "shrink the image below 16,384 px a side and 64 Mpx",
            Self::DecoderPanicked => "replace the image, and please report it",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of fault with what was found, before it is known where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBytes {
    /// What is wrong.
    pub kind: FaultKind,
    /// What was found, as a lowercase fragment ("stated 3f21, computed 88ab").
    pub detail: String,
}

impl BadBytes {
    /// Names a fault.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Base name of the shard.
    pub shard: String,
    /// Byte offset of the record's frame in the (inflated) shard; `None` when the whole file is meant.
    pub offset: Option<u64>,
    /// What is wrong.
    pub kind: FaultKind,
    /// What was found.
    pub detail: String,
    /// How many records this fault stands for in the bad-record budget (0 = reported only).
    pub records: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shard)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}: {}; {}", self.kind, self.detail, self.kind.way_out())
    }
}
