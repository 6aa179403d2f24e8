//! Everything between a path and an addressable record, on real files: one integration binary, a module per area.

mod bad_shards;
mod golden_tfrecord;
mod helpers;
