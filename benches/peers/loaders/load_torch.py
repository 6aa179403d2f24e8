"""PyTorch DataLoader: worker processes read TFRecords by offset, decode, crop, resize and flip; batches by collate.

Settings: decode=torchvision (decode_jpeg and v2 transforms on uint8 tensors) or pil (the forum's way: PIL images and
transforms); antialias=yes|no for tensors; workers=N; collate=default|slab (workers write rows into one batch tensor).
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import io

import torch
from PIL import Image
from torchvision.io import decode_jpeg
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from loaders import harness, tfrecords
from loaders.harness import BATCH, SIDE

torch.set_num_threads(1)  # as the workers do: processes are the parallelism


class Photos(torch.utils.data.Dataset):
    def __init__(self, options):
        self.records = tfrecords.Records(options.data)
        self.pil = options.opt.get("decode") == "pil"
        self.slab = options.opt.get("collate") == "slab"
        antialias = self.pil or options.opt.get("antialias", "no") == "yes"
        self.transform = v2.Compose([
            v2.RandomResizedCrop(SIDE, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), antialias=antialias),
            v2.RandomHorizontalFlip()])

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        jpeg, label = self.records[index]
        if self.pil:
            return pil_to_tensor(self.transform(Image.open(io.BytesIO(jpeg)).convert("RGB"))), label
        return self.transform(decode_jpeg(torch.frombuffer(bytearray(jpeg), dtype=torch.uint8))), label

    def __getitems__(self, indices):
        rows = [self[index] for index in indices]
        if not self.slab:
            return rows
        # A channels-last batch takes the decoder's own layout row by row, without a transpose.
        out = torch.empty((len(rows), 3, SIDE, SIDE), dtype=torch.uint8, memory_format=torch.channels_last)
        for at, (image, _) in enumerate(rows):
            out[at] = image
        return out, torch.tensor([label for _, label in rows])


def as_is(batch):
    return batch


def make(options):
    data = Photos(options)
    loader = torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=int(options.opt.get("workers", harness.cores())),
        persistent_workers=True, prefetch_factor=4, collate_fn=as_is if data.slab else None)

    def epochs(count):
        while count is None or count > 0:
            for images, labels in loader:
                yield len(labels), images, labels
            count = None if count is None else count - 1

    return epochs


if __name__ == "__main__":
    harness.run(make)
