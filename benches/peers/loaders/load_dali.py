"""NVIDIA DALI, CPU backend: TFRecord reader with index -> crop-region JPEG decode -> resize -> flip -> batch.

Settings: path=roi (image_random_crop, resize, flip), roi-fused (image_random_crop, one resize that also flips by a
reversed region) or full (image, random_resized_crop, flip); threads=N; idct=default|fast; exec=static|dynamic.
"""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import nvidia.dali.fn as fn
import nvidia.dali.tfrecord as tfrec
import nvidia.dali.types as types
from nvidia.dali import pipeline_def

from loaders import harness, tfrecords
from loaders.harness import BATCH, SIDE


def index_files(shards):
    """What `tfrecord2idx` writes: `offset size` of each record, framing included, a file a shard."""
    folder, out = tempfile.mkdtemp(), []
    for shard in shards:
        out.append(os.path.join(folder, os.path.basename(shard) + ".idx"))
        with open(out[-1], "w") as file:
            file.writelines(f"{offset} {length + 16}\n" for offset, length in tfrecords.spans(shard))
    return out


def make(options):
    shards = tfrecords.Records(options.data).paths
    path, threads = options.opt.get("path", "roi"), int(options.opt.get("threads", harness.cores()))
    window = {"random_aspect_ratio": [3 / 4, 4 / 3], "random_area": [0.35, 1.0]}
    jpeg = {"device": "cpu", "output_type": types.RGB, "use_fast_idct": options.opt.get("idct") == "fast"}
    resize = {"size": [SIDE, SIDE], "interp_type": types.INTERP_LINEAR, "antialias": False}

    @pipeline_def(batch_size=BATCH, num_threads=threads, device_id=None, prefetch_queue_depth=4,
                  exec_dynamic=options.opt.get("exec") == "dynamic")
    def pipeline():
        record = fn.readers.tfrecord(
            name="reader", path=shards, index_path=index_files(shards), random_shuffle=True, initial_fill=2048,
            features={"image": tfrec.FixedLenFeature((), tfrec.string, ""),
                      "class": tfrec.FixedLenFeature([1], tfrec.int64, -1)})
        flip = fn.random.coin_flip()
        if path == "full":
            image = fn.decoders.image(record["image"], **jpeg)
            image = fn.random_resized_crop(image, **resize, **window)
        else:
            image = fn.decoders.image_random_crop(record["image"], **jpeg, **window)
        if path == "roi-fused":
            side = fn.cast(flip, dtype=types.FLOAT)
            start, end = fn.stack(types.Constant(0.0), side), fn.stack(types.Constant(1.0), 1.0 - side)
            image = fn.resize(image, roi_start=start, roi_end=end, roi_relative=True, **resize)
        else:
            if path == "roi":
                image = fn.resize(image, **resize)
            image = fn.flip(image, horizontal=flip)
        return image, record["class"]

    running = pipeline()
    running.build()

    def epochs(count):
        left = None if count is None else count * running.epoch_size("reader")
        while left is None or left > 0:
            images, labels = running.run()
            rows = len(images)
            if left is not None and rows > left:  # only the check ends an epoch; the reader itself runs on
                images, labels, rows = images.as_array()[:left], labels.as_array()[:left], left
            yield rows, images, labels
            left = None if left is None else left - rows

    return epochs


harness.run(make)
