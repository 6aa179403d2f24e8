"""datago on image files (converted from the TFRecords): its Rust threads read and decode, Python crops and batches.

Settings: threads=N Python threads for crop, resize and flip (0: in the consumer). datago has no random crop, hence
OpenCV; labels come from file names, since its file source carries none.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import collections
import json
from concurrent.futures import ThreadPoolExecutor

import datago

from loaders import harness, stages
from loaders.harness import BATCH


def augment(sample):
    label = int(os.path.basename(sample.id.strip('"')).split("_")[0])
    return stages.augment(sample.image.to_numpy_array()), label


def make(options):
    client = datago.DatagoClient(json.dumps({
        "source_type": "file",
        "source_config": {"root_path": options.data, "random_sampling": True, "rank": 0, "world_size": 1},
        "limit": options.records, "prefetch_buffer_size": 4 * BATCH, "samples_buffer_size": 4 * BATCH}))
    threads = int(options.opt.get("threads", "0"))
    pool = ThreadPoolExecutor(threads) if threads else None

    def batch():
        pairs = []
        while len(pairs) < BATCH and (sample := client.get_sample()) is not None:
            pairs.append(augment(sample))
        return stages.collate(pairs) if pairs else None

    def epoch():
        client.start()
        if pool is None:
            yield from iter(batch, None)
            return
        # As many batches in the making as threads, one more waiting: `get_sample` lets the others run.
        ahead = collections.deque(pool.submit(batch) for _ in range(threads + 1))
        while ahead:
            if (done := ahead.popleft().result()) is not None:
                ahead.append(pool.submit(batch))
                yield done

    def epochs(count):
        while count is None or count > 0:
            for images, labels in epoch():
                yield len(labels), images, labels
            client.stop()
            count = None if count is None else count - 1

    return epochs


harness.run(make)
