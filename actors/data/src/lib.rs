//! Batches of images from plain TFRecord shards: exact, bounded, accounted for.
//!
//! The modules stand in the order data flows: files → index → plan → read → decode → augment → sequence.
//! Not here: libtorch, command lines, recipes, networks. Not for: general dataflow or other record types.

pub mod fault;
pub mod limits;

// Files: from a path the user typed to addressable records.
pub mod catalog;
pub mod columns;
pub mod compression;
pub mod example;
pub mod framing;
pub mod index;
pub mod pack;
pub mod shard_writer;
pub mod verify;

// Pixels: from encoded bytes to a row of a batch.
pub mod fingerprint;
pub mod geometry;
pub mod jitter;
pub mod jpeg;
pub mod orientation;
pub mod picture;
pub mod png_image;
pub mod random;
pub mod resample;

// The synthetic data set.
pub mod garden;
