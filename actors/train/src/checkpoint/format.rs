//! The layout of a checkpoint's two files and their limits. No file access here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Kind, Tensor};

/// Version of the format that is written; older ones are read, newer ones refused.
pub const FORMAT_VERSION: u64 = 1;

pub(super) const STATE_FILE: &str = "state.safetensors";
pub(super) const MANIFEST_FILE: &str = "manifest.json";
/// What a half-written checkpoint's name ends in.
pub(super) const UNFINISHED: &str = ".tmp";

/// Longest manifest: the caller's part is a few kilobytes, the rest tens of bytes a tensor.
pub(super) const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// Largest state: far above any net of the recipes with its optimiser.
pub(super) const STATE_BYTES_MAX: u64 = 16 << 30;
const _: () = assert!(MANIFEST_BYTES_MAX < STATE_BYTES_MAX);

/// What `manifest.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u64,
    /// The caller's part: cursor, ledger head, tallies, which net.
    pub(super) meta: Value,
    /// Every other file of the checkpoint.
    pub(super) files: BTreeMap<String, FileSeal>,
    /// Strides, in elements, of the tensors that are not contiguous in memory (all are stored so).
    pub(super) strides: BTreeMap<String, Vec<i64>>,
}

/// Length and CRC-32 (IEEE) of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSeal {
    pub(super) bytes: u64,
    pub(super) crc32: u32,
}

impl FileSeal {
    pub(super) fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }
}

/// The manifest guards itself: its last member is the CRC-32 of the text with that member cut out.
const SEAL_MEMBER: &str = ",\"crc32\":\"";
const SEAL_LENGTH: usize = SEAL_MEMBER.len() + 8 + "\"}".len();

/// The text of `manifest.json`.
pub(super) fn seal(manifest: &Manifest) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(manifest)?;
    let crc32 = crc32fast::hash(text.as_bytes());
    let open = text.strip_suffix('}').expect("a struct becomes a JSON object");
    Ok(format!("{open}{SEAL_MEMBER}{crc32:08x}\"}}\n"))
}

/// Why a manifest is refused.
pub(super) enum Refusal {
    Newer(u64),
    Damaged(String),
}

/// The manifest in a text made by [`seal`], of this version or an older one.
pub(super) fn unseal(text: &str) -> Result<Manifest, Refusal> {
    let damaged = |what: &str| Refusal::Damaged(format!("{MANIFEST_FILE} {what}"));
    if !seal_of(text).is_some_and(Seal::holds) {
        // A later format may seal itself otherwise; its version is then all that can be known of it.
        let version = serde_json::from_str::<Value>(text).ok().and_then(|value| value["version"].as_u64());
        return Err(match version {
            Some(version) if version > FORMAT_VERSION && seal_of(text).is_none() => Refusal::Newer(version),
            _ => damaged("fails its checksum"),
        });
    }
    let value: Value = serde_json::from_str(text).map_err(|error| damaged(&format!("is not JSON: {error}")))?;
    match value["version"].as_u64() {
        Some(version) if version > FORMAT_VERSION => return Err(Refusal::Newer(version)),
        Some(_) => {}
        None => return Err(damaged("has no version")),
    }
    serde_json::from_value(value).map_err(|error| damaged(&format!("can't be understood: {error}")))
}

/// The seal at the end of a manifest's text.
struct Seal<'a> {
    body: &'a str,
    stored: &'a str,
}

impl Seal<'_> {
    fn holds(self) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.body.as_bytes());
        hasher.update(b"}");
        format!("{:08x}", hasher.finalize()) == self.stored
    }
}

fn seal_of(text: &str) -> Option<Seal<'_>> {
    let text = text.strip_suffix('\n')?;
    let (body, seal) = text.split_at_checked(text.len().checked_sub(SEAL_LENGTH)?)?;
    Some(Seal { body, stored: seal.strip_prefix(SEAL_MEMBER)?.strip_suffix("\"}")? })
}

/// The safetensors type of a kind that nets and optimisers use.
fn dtype_of(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Uint8 => Dtype::U8,
        Kind::Int => Dtype::I32,
        Kind::Int64 => Dtype::I64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        _ => return None,
    })
}

/// The other way round.
pub(super) fn kind_of(dtype: Dtype) -> Option<Kind> {
    [Kind::Uint8, Kind::Int, Kind::Int64, Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double]
        .into_iter()
        .find(|&kind| dtype_of(kind) == Some(dtype))
}

/// A tensor's values in C order, little-endian, whatever its strides and device.
pub(crate) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, tch::TchError> {
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

/// A tensor ready to be stored.
pub(super) struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// `Err` says in words why the tensor can't be stored.
    pub(super) fn new(tensor: &Tensor) -> Result<Self, String> {
        let kind = tensor.kind();
        let dtype = dtype_of(kind).ok_or_else(|| format!("tensors of kind {kind:?} can't be stored"))?;
        let bytes = bytes_of(tensor).map_err(|error| first_line(&error))?;
        Ok(Self { dtype, shape: tensor.size().iter().map(|&side| side as usize).collect(), bytes })
    }
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// libtorch's errors carry a C++ backtrace of kilobytes; the first line says it.
pub(super) fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
