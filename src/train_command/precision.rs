//! What a stage computes in on the device at hand.
//! Not here: how it is done (`fastgarden-train`).

use fastgarden_train::precision::Precision;
use tch::Device;

use crate::exit::Failure;
use crate::recipe::StagePrecision;

/// What a stage computes in on this device.
pub fn precision_on(device: Device, precision: StagePrecision, stage: usize) -> Result<Precision, Failure> {
    let is_gpu = matches!(device, Device::Cuda(_));
    match precision {
        StagePrecision::Fp32 => Ok(Precision::FULL),
        StagePrecision::Bf16 => Ok(Precision::BFLOAT16),
        StagePrecision::Fp16OnGpu if !is_gpu => Ok(Precision::FULL),
        StagePrecision::Fp16 if !is_gpu => {
            let sentence = format!("`stage.{stage}.precision` is \"fp16\", which needs a GPU, and this is a CPU");
            let way_out = format!("--set stage.{stage}.precision=fp16-on-gpu (fp32 here), or bf16");
            Err(Failure::usage(sentence, way_out))
        }
        StagePrecision::Fp16OnGpu | StagePrecision::Fp16 => Ok(Precision::HALF),
    }
}
