"""The systems that are compared: their environment, script, what they check, how they differ, settings to try.

For: one place to read (and contest) what each side is given. `variants` are settings tried before the measured rounds;
the fastest is kept, so no system is measured at a setting that is slower on the machine at hand.
"""

from dataclasses import dataclass, field


@dataclass
class System:
    key: str
    name: str
    table: str  # "uncached" or "cached"
    integrity: str
    differs: str
    env: str | None = None  # requirements/ENV.txt; None for FastGarden
    reads: str = "shards"  # or "tar", "files": what the data set is converted to first
    fixed: dict = field(default_factory=dict)
    variants: list = field(default_factory=lambda: [{}])
    arguments: str = ""  # FastGarden's own


def _grid(**settings):
    """All combinations of the settings' values."""
    out = [{}]
    for key, values in settings.items():
        out = [{**chosen, key: str(value)} for chosen in out for value in values]
    return out


OURS = "both CRCs of every record, a hash of every row"


def systems(cores):
    """Every system, for a machine of so many cores."""
    pools = (cores, cores + 1, 2 * cores)
    return [
        System("fastgarden-pil", "FastGarden `pil`", "uncached", OURS,
               "Pixels equal to Pillow's (antialiased bilinear on full-resolution RGB); same batches whatever the "
               "number of workers."),
        System("fastgarden-planar", "FastGarden `planar`", "uncached", OURS,
               "Resizes the JPEG's own 4:2:0 planes and converts colour at the output size; same batches whatever "
               "the number of workers.", arguments="--resample planar"),
        System("tfdata", "tf.data", "uncached", "both CRCs of every record",
               "Crop-region decode where that is faster; bilinear without antialias; a shuffle buffer of 2,048; "
               "batches in any order; TensorFlow's own box sampler.", env="tfdata",
               variants=[{"path": "roi"}, {"path": "roi", "pool": "shared"}, {"path": "roi", "upsampling": "plain"},
                         {"path": "roi-fused"}, {"path": "full-fused"}]),
        System("dali", "NVIDIA DALI (CPU)", "uncached", "none",
               "No CRC check; needs an index file a shard; crop-region decode where that is faster; bilinear without "
               "antialias; a shuffle buffer of 2,048; batches run on across the epochs' ends.", env="dali",
               variants=_grid(path=("roi", "full"), threads=(cores,))
               + _grid(path=("roi-fused",), threads=(cores, cores + 1), idct=("default", "fast"),
                       exec=("static", "dynamic"))),
        System("webdataset", "WebDataset", "uncached", "none",
               "Reads tar shards converted beforehand, not TFRecords; no CRC check; decode and resize by simplejpeg "
               "and OpenCV (bilinear, no antialias), faster than its own PIL decoder; shards and a buffer of 2,048 a "
               "worker are shuffled.", env="webdataset", reads="tar",
               variants=_grid(workers=pools) + _grid(workers=pools, jpeg=("fast",))
               + _grid(workers=(cores,), stage=("own",))),
        System("datago", "datago", "uncached", "none",
               "Reads single files converted beforehand, not TFRecords; no CRC check; has no random crop, so OpenCV "
               "does it (bilinear, no antialias); labels from file names.", env="datago", reads="files",
               variants=_grid(threads=(0, 1, cores, cores + 1, 2 * cores))),
        System("grain", "Grain", "uncached", "none",
               "No CRC check; its TFRecord source only streams, so records are read by offset for a whole shuffle; "
               "decode and resize by simplejpeg and OpenCV (bilinear, no antialias).", env="grain",
               variants=_grid(pool=("threads", "processes"), workers=pools)
               + _grid(pool=("threads", "processes"), workers=(cores,), jpeg=("fast",))),
        System("spdl", "SPDL", "uncached", "none",
               "No CRC check; its FFmpeg stage or, where faster, simplejpeg and OpenCV as its stage functions "
               "(bilinear, no antialias); whole shuffle.", env="spdl",
               variants=_grid(stage=("ffmpeg", "turbo"), threads=(cores, 2 * cores))
               + _grid(stage=("turbo",), threads=(cores,), jpeg=("fast",))),
        System("torch", "PyTorch DataLoader + torchvision", "uncached", "none",
               "No CRC check; decode and transforms on uint8 tensors; antialias on or off, whichever is faster; "
               "batches channels first; whole shuffle.", env="torch",
               variants=_grid(workers=pools) + _grid(workers=pools, antialias=("yes",))
               + _grid(workers=(cores, cores + 1), collate=("slab",))),
        System("pil", "The forum's way: PIL + DataLoader", "uncached", "none",
               "No CRC check; PIL decode, crop and resize (antialiased); whole shuffle.", env="torch",
               fixed={"decode": "pil"}, variants=_grid(workers=pools)),
        System("fastgarden-cached", "FastGarden `pil`, decoded cache", "cached", "none (hash off), as tf.data",
               "Decoded RGB in memory; hashing off.", arguments="--cache decoded --no-hash"),
        System("fastgarden-cached-planar", "FastGarden `planar`, decoded cache", "cached",
               "none (hash off), as tf.data", "Decoded 4:2:0 planes in memory; hashing off.",
               arguments="--cache decoded --no-hash --resample planar"),
        System("tfdata-cached", "tf.data, `.cache()` after decode", "cached", "none once cached",
               "Decoded RGB in memory; image by image, or vectorized over the batch (a batch at once through "
               "crop_and_resize, which asks for photos of one size), whichever is faster.", env="tfdata",
               fixed={"cache": "decoded"},
               variants=[{"path": "image"}, {"path": "image", "pool": "shared"}, {"path": "vectorized"},
                         {"path": "vectorized", "pool": "shared"}]),
    ]
