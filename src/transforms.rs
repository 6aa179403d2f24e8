//! What a recipe says of pixels and order, in the terms of the pipeline.
//! Not here: recipes themselves, or anything that reads data.

use fastgarden_data::geometry::Size;
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::PipelineOptions;
use fastgarden_data::ticket::{self, Transform};

use crate::recipe::{CpuAugment, Crop, Decode, Evaluation, EvaluationCrop, Execution, Stage};
use crate::run_spec::PoolSizes;

/// Side of a view where no recipe says otherwise, pixels: the work of `bench`.
pub const BENCH_INPUT_PX: u32 = 224;
/// Rows of a batch where no recipe says otherwise.
pub const BENCH_BATCH_ROWS: usize = 64;
/// Smallest share of an image's area that a view shows where no recipe says otherwise.
const BENCH_MIN_SCALE: f64 = 0.35;

/// The views of a training ticket, 1 to 3.
pub fn stage_views(stage: &Stage) -> Vec<Transform> {
    let crop = match stage.crop {
        Crop::RandomResized { min_scale } => ticket::Crop::RandomResized { min_scale },
        Crop::Whole => ticket::Crop::Resize,
        Crop::Largest => ticket::Crop::Largest,
    };
    let view = |&side| Transform {
        size: square(side),
        crop,
        flip: stage.flip,
        distort: stage.cpu_augment == CpuAugment::Standard,
        jitter: stage.cpu_augment != CpuAugment::None,
    };
    stage.view_px.iter().map(view).collect()
}

/// The view of a validation ticket: nothing about it is random.
pub fn evaluation_view(evaluation: &Evaluation) -> Transform {
    let crop = ticket::Crop::ResizeThenCentre {
        resize_px: evaluation.resize_px,
        largest: evaluation.crop == EvaluationCrop::Largest,
    };
    Transform { size: square(evaluation.input_px), crop, flip: false, distort: false, jitter: false }
}

/// The view where no recipe says otherwise: a random resized crop of 0.35–1 of the area, mirrored half the time.
pub fn bench_view() -> Transform {
    let crop = ticket::Crop::RandomResized { min_scale: BENCH_MIN_SCALE };
    Transform { size: square(BENCH_INPUT_PX), crop, flip: true, distort: false, jitter: false }
}

/// What is made of damaged images.
pub fn decode_mode(decode: Decode) -> DecodeMode {
    match decode {
        Decode::Strict => DecodeMode::Strict,
        Decode::Lenient => DecodeMode::Lenient,
    }
}

/// How to build the pipeline: the command line wins over the recipe, the recipe over the machine.
/// `slab_bytes` and `batch_rows` are those of the largest batch of the run.
pub fn pipeline_options(
    pools: &PoolSizes,
    execution: &Execution,
    slab_bytes: usize,
    batch_rows: usize,
) -> PipelineOptions {
    let machine = PipelineOptions::new(slab_bytes, batch_rows);
    PipelineOptions {
        readers: pools.readers.unwrap_or(machine.readers),
        decoders: pools.decoders.unwrap_or(machine.decoders),
        augmenters: pools.augmenters.unwrap_or(machine.augmenters),
        prefetch_batches: pools.prefetch_batches.unwrap_or(execution.prefetch_batches),
        cpu_share: pools.cpu_budget.unwrap_or(execution.cpu_budget).share(),
        ..machine
    }
}

fn square(side_px: u32) -> Size {
    Size { width: side_px, height: side_px }
}
