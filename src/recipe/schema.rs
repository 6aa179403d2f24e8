//! The raw shape of a recipe file: every key the design knows, nothing checked but keys and types.
//! Not here: defaults, ranges, and what this version can do (validate.rs).
//! Whole numbers are `i64`, so that −1 is told as out of range rather than as a type of ours.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RecipeToml {
    pub name: Option<String>,
    pub summary: Option<String>,
    pub method: Option<String>,
    pub based_on: Option<Vec<String>>,
    pub why: Option<String>,
    pub data_note: Option<String>,
    pub data: Option<DataToml>,
    pub net: Option<NetToml>,
    pub head: Option<HeadToml>,
    pub loss: Option<LossToml>,
    pub optimizer: Option<OptimizerToml>,
    pub ema: Option<EmaToml>,
    pub stage: Option<Vec<StageToml>>,
    pub evaluation: Option<EvaluationToml>,
    pub runs: Option<RunsToml>,
    pub checkpoint: Option<CheckpointToml>,
    pub execution: Option<ExecutionToml>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct DataToml {
    pub features: Option<FeaturesToml>,
    pub classes: Option<i64>,
    pub resample: Option<String>,
    pub decode: Option<String>,
    pub normalize: Option<String>,
    pub bad_records: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct FeaturesToml {
    pub image: Option<String>,
    pub label: Option<String>,
    pub id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct NetToml {
    pub kind: Option<String>,
    pub stem: Option<StemToml>,
    pub pool: Option<String>,
    pub block: Option<BlockToml>,
    pub layers: Option<Vec<i64>>,
    pub squeeze_excite: Option<i64>,
    pub attention: Option<String>,
    pub self_attention: Option<bool>,
    pub self_attention_stage: Option<i64>,
    pub activation: Option<String>,
    pub outputs: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct StemToml {
    pub kind: Option<String>,
    pub widths: Option<Vec<i64>>,
    pub weight_norm: Option<bool>,
    pub iterations: Option<Vec<i64>>,
    pub freeze_after: Option<Vec<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct BlockToml {
    pub kind: Option<String>,
    pub variant: Option<String>,
    pub kernels: Option<Vec<Vec<i64>>>,
    pub groups: Option<i64>,
    pub expansion: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct HeadToml {
    pub kind: Option<String>,
    pub embedding: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct LossToml {
    pub kind: Option<String>,
    pub label_smoothing: Option<f64>,
    pub margin: Option<f64>,
    pub metric_weight: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct OptimizerToml {
    pub kind: Option<String>,
    pub lr: Option<f64>,
    pub weight_decay: Option<f64>,
    pub momentum: Option<f64>,
    pub nesterov: Option<bool>,
    pub beta1: Option<f64>,
    pub beta2: Option<f64>,
    pub eps: Option<f64>,
    pub clip_norm: Option<f64>,
    pub aux_lr_factor: Option<f64>,
    pub lookahead_steps: Option<i64>,
    pub lookahead_alpha: Option<f64>,
    pub group: Option<Vec<GroupToml>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EmaToml {
    pub decay: Option<f64>,
    pub evaluate: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct GroupToml {
    pub r#match: Option<String>,
    pub lr_factor: Option<f64>,
    pub decay: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct StageToml {
    pub epochs: Option<i64>,
    pub source_px: Option<i64>,
    pub input_px: Option<i64>,
    pub batch_size: Option<i64>,
    pub drop_last: Option<bool>,
    pub sampler: Option<SamplerToml>,
    pub view_px: Option<Vec<i64>>,
    pub crop: Option<CropToml>,
    pub cpu_augment: Option<String>,
    pub batch_augment: Option<String>,
    pub erase: Option<EraseToml>,
    pub mix: Option<MixToml>,
    pub lr: Option<f64>,
    pub schedule: Option<ScheduleToml>,
    pub optimizer_state: Option<String>,
    pub precision: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct SamplerToml {
    pub kind: Option<String>,
    pub tickets: Option<i64>,
    pub file: Option<String>,
    pub sha256: Option<String>,
    pub class_weights: Option<Vec<f64>>,
    pub uniform_share: Option<f64>,
    pub same_share: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct CropToml {
    pub kind: Option<String>,
    pub min_scale: Option<f64>,
    pub flip: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EraseToml {
    pub probability: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct MixToml {
    pub kind: Option<String>,
    pub alpha: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct ScheduleToml {
    pub kind: Option<String>,
    pub flat_share: Option<f64>,
    pub rise_share: Option<f64>,
    pub start_divisor: Option<f64>,
    pub momentum_high: Option<f64>,
    pub momentum_low: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct EvaluationToml {
    pub source_px: Option<i64>,
    pub crop: Option<String>,
    pub resize_px: Option<i64>,
    pub input_px: Option<i64>,
    pub on: Option<String>,
    pub limit: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RunsToml {
    pub seeds: Option<Vec<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct CheckpointToml {
    pub every_steps: Option<i64>,
    pub every_seconds: Option<i64>,
    pub keep: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct ExecutionToml {
    pub cache: Option<String>,
    pub cache_bytes: Option<String>,
    pub prefetch_batches: Option<i64>,
    pub cpu_threads: Option<i64>,
    pub cpu_budget: Option<String>,
}
