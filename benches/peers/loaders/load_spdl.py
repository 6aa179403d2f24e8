"""SPDL: its thread-pool pipeline over TFRecords read by offset.

Settings: stage=ffmpeg (SPDL's own FFmpeg decoder with a crop, scale and flip filter) or turbo (simplejpeg + OpenCV as
SPDL's stage functions); threads=N; jpeg=accurate|fast for turbo.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import random

import numpy
import spdl.io
from spdl.pipeline import PipelineBuilder

from loaders import harness, stages, tfrecords
from loaders.harness import BATCH, SIDE


def make(options):
    records = tfrecords.Records(options.data)
    threads = int(options.opt.get("threads", harness.cores()))
    fast = options.opt.get("jpeg") == "fast"

    def source():
        order = list(range(len(records)))
        random.shuffle(order)
        return order

    def ffmpeg(index):
        jpeg, label = records[index]
        packets = spdl.io.demux_image(bytes(jpeg))
        width, height = packets.codec.width, packets.codec.height
        top, left, h, w = stages.random_box(height, width)
        flip = ",hflip" if random.random() < 0.5 else ""
        graph = f"crop={w}:{h}:{left}:{top},scale={SIDE}:{SIDE}:flags=bilinear{flip},format=pix_fmts=rgb24"
        return spdl.io.decode_packets(packets, filter_desc=graph), label

    def turbo(index):
        jpeg, label = records[index]
        return stages.decode_augment(jpeg, fast), label

    def convert_frames(pairs):
        images = spdl.io.to_numpy(spdl.io.convert_frames([frames for frames, _ in pairs]))
        return images, numpy.array([label for _, label in pairs])

    stage, convert = (ffmpeg, convert_frames) if options.opt.get("stage") == "ffmpeg" else (turbo, stages.collate)

    def epochs(count):
        while count is None or count > 0:
            pipeline = (PipelineBuilder().add_source(source()).pipe(stage, concurrency=threads).aggregate(BATCH)
                        .pipe(convert).add_sink(4).build(num_threads=threads))
            with pipeline.auto_stop():
                for images, labels in pipeline:
                    yield len(labels), images, labels
            count = None if count is None else count - 1

    return epochs


harness.run(make)
