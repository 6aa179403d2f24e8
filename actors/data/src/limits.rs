//! Every bound of the pipeline in one place, with the relations between them asserted at compile time.
//! Not here: settings a user may change (those are in the recipe and on the command line).

/// Largest payload of one record, bytes. A record that claims more is a fault, never an allocation.
pub const RECORD_BYTES_MAX: u64 = 64 << 20;
/// Bytes that TFRecord framing adds to a payload: length, its CRC, the payload's CRC.
pub const FRAME_OVERHEAD_BYTES: u64 = 16;
/// Longest side of an image, pixels.
pub const IMAGE_SIDE_PX_MAX: u32 = 16_384;
/// Largest image, pixels.
pub const IMAGE_PX_MAX: u64 = 64 << 20;
/// Most scratch memory that decoding one image may take, bytes, computed from its headers before decoding.
pub const DECODE_SCRATCH_BYTES_MAX: u64 = 256 << 20;
/// Most scans of a progressive JPEG.
pub const JPEG_SCANS_MAX: usize = 100;
/// Most segments of a JPEG before its image data.
pub const JPEG_SEGMENTS_MAX: usize = 1_024;
/// Capacity a decoder's buffer may keep for the next image, bytes; larger ones are given back.
pub const DECODE_BUFFER_KEPT_BYTES_MAX: usize = 16 << 20;
/// Highest ratio of inflated to compressed bytes (DEFLATE's own limit is about 1,032:1).
pub const INFLATE_RATIO_MAX: u64 = 1_100;
/// Most bytes that all compressed shards of a data set may inflate to; they are kept in memory.
pub const INFLATED_BYTES_MAX: u64 = 4 << 30;
/// Deepest nesting of protobuf messages inside an example.
pub const PROTO_NESTING_MAX: usize = 16;
/// Rows in a batch.
pub const BATCH_ROWS_MAX: usize = 4_096;
/// Bytes of one batch's pixels.
pub const SLAB_BYTES_MAX: u64 = 1 << 30;
/// Bytes of all batches that a pipeline may hold at once.
pub const SLABS_BYTES_MAX: u64 = 16 << 30;
/// Views (images) in a ticket.
pub const VIEWS_MAX: usize = 3;
/// Tickets of an epoch that a sampler or a user's file may ask for.
pub const TICKETS_MAX: u32 = 1 << 26;
/// Bytes of a file that a sampler goes by.
pub const SAMPLER_FILE_BYTES_MAX: u64 = 64 << 20;
/// Rows in a chunk, the unit of every message.
pub const CHUNK_ROWS_MAX: usize = 16;
/// Shards in a data set.
pub const SHARDS_MAX: usize = 1_000_000;
/// Records in a data set: they are numbered by `u32`.
pub const RECORDS_MAX: usize = u32::MAX as usize;
/// Times that framing may be lost in one shard before the rest of it is given up.
pub const FRAMING_LOSSES_PER_SHARD_MAX: usize = 1_000;
/// Bytes of an id that are kept in memory; a longer one counts as missing.
pub const ID_BYTES_MAX: usize = 1_024;
/// Faults that one verification lists; beyond them they are only counted.
pub const FAULTS_LISTED_MAX: usize = 100_000;
/// Memory of the index, bytes a record.
pub const INDEX_BYTES_PER_RECORD_MAX: usize = 32;
/// Encoded bytes in flight between the reader and the decoder.
pub const ENCODED_BYTES_IN_FLIGHT_MAX: u64 = 64 << 20;
/// A chunk is cut shorter than 16 rows when its records would hold more than this, bytes.
pub const CHUNK_ENCODED_BYTES_TARGET: u64 = 4 << 20;
/// Encoded buffers above this are freed after use rather than kept, bytes.
pub const ENCODED_BUFFER_BYTES_KEPT_MAX: u64 = 4 << 20;
/// Tickets a training phase may issue unless the rules say otherwise.
pub const EXAMPLES_PER_EPOCH: u64 = 12_753;
/// Distinct bad records a data set may always have…
pub const BAD_RECORDS_MIN: u64 = 10;
/// …or this share of it, whichever is more.
pub const BAD_RECORDS_SHARE: f64 = 0.001;
/// A cache's budget where the system doesn't say how much memory is free, bytes.
pub const CACHE_BYTES_WHERE_MEMORY_IS_UNKNOWN: u64 = 1 << 30;
/// Workers in one pool.
pub const POOL_WORKERS_MAX: usize = 1_024;
/// Longest side of a view in a batch, pixels.
pub const VIEW_SIDE_PX_MAX: u32 = 2_048;

/// Gives a decoder's buffer back to the system when it is larger than what may be kept.
pub(crate) fn trim_buffer(buffer: &mut Vec<u8>) {
    if buffer.capacity() > DECODE_BUFFER_KEPT_BYTES_MAX {
        *buffer = Vec::new();
    }
}

const _: () =
    assert!(RECORD_BYTES_MAX <= ENCODED_BYTES_IN_FLIGHT_MAX, "the largest record fits the encoded budget alone");
const _: () =
    assert!(IMAGE_PX_MAX * 3 <= DECODE_SCRATCH_BYTES_MAX, "the largest baseline image fits the decode scratch");
const _: () = assert!(SLAB_BYTES_MAX * 4 <= SLABS_BYTES_MAX, "the usual number of the largest slabs is allowed");
const _: () = assert!(CHUNK_ROWS_MAX <= BATCH_ROWS_MAX, "a chunk is part of one batch");
const _: () = assert!(BAD_RECORDS_SHARE < 1.0, "a data set that is all bad is never within budget");
const _: () = assert!(RECORD_BYTES_MAX <= u32::MAX as u64, "a record's length is stored in 32 bits");
