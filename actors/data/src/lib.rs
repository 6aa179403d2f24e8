//! Batches of images from plain TFRecord shards: exact, bounded, accounted for.
//!
//! The modules stand in the order data flows: files → index → plan → read → decode → augment → sequence → batch.
//! Not here: libtorch, command lines, recipes, networks. Not for: general dataflow or other record types.

pub mod limits;
pub mod fault;
pub mod machine;

// Files: from a path the user typed to addressable records.
pub mod framing;
pub mod example;
pub mod compression;
pub mod shard_writer;
pub mod catalog;
pub mod index;
pub mod columns;
pub mod verify;
pub mod pack;

// The plan: which example when, cut how.
pub mod random;
pub mod sampler;
pub mod holdout;
pub mod plan;
pub mod ticket;
pub mod phase;
pub mod outcome;

// Pixels: from encoded bytes to a row of a batch.
pub mod geometry;
pub mod simd;
pub(crate) mod pixels;
pub mod jpeg;
pub mod png_image;
pub mod orientation;
pub mod picture;
pub mod resample;
pub mod planar;
pub mod distortion;
pub mod fused;
pub mod view;
pub mod jitter;
pub mod fingerprint;

// The pipeline, in dataflow order: loader (a short way in) → conductor → reader → decoder → augmenter → sequencer → batch.
pub mod loader;
pub mod pipeline;
pub mod conductor;
pub mod cpu_budget;
pub mod slab;
pub mod chunk;
pub mod worker;
pub mod cache;
pub mod reader;
pub mod decoder;
pub mod augmenter;
pub mod sequencer;
pub mod batch;
pub mod shared;
pub mod tell;
pub mod failure;
pub mod sabotage;
pub mod observe;
pub mod ceiling;

// What was consumed, provably.
pub mod batch_hash;
pub mod ledger;
pub mod audit;

// The synthetic data set.
pub mod garden;

#[cfg(test)]
mod golden;
