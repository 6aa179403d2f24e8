"""WebDataset on tar shards (converted from the TFRecords): shuffle buffer, decode, augment, batch, in WebLoader workers.

Settings: workers=N; jpeg=accurate|fast. Decode and augmentation are simplejpeg + OpenCV: its own decoder is PIL.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import glob

import torch
import webdataset

from loaders import harness, stages
from loaders.harness import BATCH

torch.set_num_threads(1)


def make(options):
    fast = options.opt.get("jpeg") == "fast"

    def sample(pair):
        return stages.decode_augment(pair[0], fast), int(pair[1])

    def tensors(pairs):
        images, labels = stages.collate(pairs)
        return torch.from_numpy(images), torch.from_numpy(labels)

    tars = sorted(glob.glob(options.data + "/*.tar"))
    data = (webdataset.WebDataset(tars, shardshuffle=len(tars)).shuffle(2048).to_tuple("jpg", "cls").map(sample)
            .batched(BATCH, collation_fn=tensors))
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=int(options.opt.get("workers", harness.cores())),
                                  persistent_workers=True, prefetch_factor=4)

    def epochs(count):
        while count is None or count > 0:
            for images, labels in loader:
                yield len(labels), images, labels
            count = None if count is None else count - 1

    return epochs


if __name__ == "__main__":
    harness.run(make)
