"""Google Grain: MapDataset over TFRecords read by offset (its own TFRecord reader only streams), shuffle, map, batch.

Settings: pool=threads (ReadOptions) or processes (mp_prefetch); workers=N; jpeg=accurate|fast. Decode and
augmentation are simplejpeg + OpenCV: Grain has none of its own.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import grain

from loaders import harness, stages, tfrecords
from loaders.harness import BATCH


class Decode(grain.transforms.Map):
    def __init__(self, fast):
        self.fast = fast

    def map(self, element):
        return stages.decode_augment(element[0], self.fast), element[1]


class Source:
    """Grain's random-access source protocol; bytes, since elements may go to another process."""

    def __init__(self, folder):
        self.records = tfrecords.Records(folder)

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        jpeg, label = self.records[index]
        return bytes(jpeg), label


def make(options):
    workers = int(options.opt.get("workers", harness.cores()))
    source, decode = Source(options.data), Decode(options.opt.get("jpeg") == "fast")

    def epochs(count):
        # Repeating by hand keeps the epochs' last, short batches; every epoch has a new order.
        epoch = 0
        while count is None or epoch < count:
            data = grain.MapDataset.source(source).seed(epoch).shuffle()
            if options.opt.get("pool", "threads") == "threads":
                data = data.map(decode).to_iter_dataset(grain.ReadOptions(workers, 4 * BATCH))
                data = data.batch(BATCH, batch_fn=stages.collate)
            else:
                data = data.map(decode).batch(BATCH, batch_fn=stages.collate)
                data = data.to_iter_dataset(grain.ReadOptions(1, 2))
                data = data.mp_prefetch(grain.MultiprocessingOptions(workers, per_worker_buffer_size=4))
            for images, labels in data:
                yield len(labels), images, labels
            epoch += 1

    return epochs


if __name__ == "__main__":
    harness.run(make)
