"""WebDataset on tar shards (converted from the TFRecords): shuffle buffer, decode, augment, batch, in WebLoader workers.

Settings: workers=N; stage=turbo (simplejpeg + OpenCV) or own (WebDataset's PIL decoder, torchvision's transforms);
jpeg=accurate|fast for turbo.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import glob

import torch
import webdataset
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from loaders import harness, stages
from loaders.harness import BATCH, SIDE

torch.set_num_threads(1)


def make(options):
    fast = options.opt.get("jpeg") == "fast"

    def sample(pair):
        return stages.decode_augment(pair[0], fast), int(pair[1])

    transform = v2.Compose([v2.RandomResizedCrop(SIDE, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3)),
                            v2.RandomHorizontalFlip()])

    def own_sample(pair):
        return pil_to_tensor(transform(pair[0])), pair[1]

    def own_tensors(pairs):
        return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])

    def tensors(pairs):
        images, labels = stages.collate(pairs)
        return torch.from_numpy(images), torch.from_numpy(labels)

    tars = sorted(glob.glob(options.data + "/*.tar"))
    data = webdataset.WebDataset(tars, shardshuffle=len(tars)).shuffle(2048)
    if options.opt.get("stage") == "own":
        data = data.decode("pil").to_tuple("jpg", "cls").map(own_sample).batched(BATCH, collation_fn=own_tensors)
    else:
        data = data.to_tuple("jpg", "cls").map(sample).batched(BATCH, collation_fn=tensors)
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
