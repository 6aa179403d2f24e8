"""tf.data: TFRecordDataset -> shuffle -> decode, crop, resize, flip -> batch, AUTOTUNE, in any order.

Settings: path=roi (crop-region decode, then tf.image.resize), roi-fused (crop-region decode, then one
crop_and_resize that also flips) or full-fused (full decode, then that); upsampling=fancy|plain;
pool=private|shared (threads of its own, each op on one of them, or TensorFlow's);
cache=decoded (decoded images in `.cache()`), then path=image|vectorized: augment image by image, or a batch at a time.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf

from loaders import harness
from loaders.harness import BATCH, SIDE

SPEC = {"class": tf.io.FixedLenFeature([], tf.int64), "image": tf.io.FixedLenFeature([], tf.string)}


def random_box(shape):
    """(begin, size) of a crop, by TensorFlow's own sampler."""
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape, tf.zeros([0, 0, 4]), min_object_covered=0.0, aspect_ratio_range=(3 / 4, 4 / 3), area_range=(0.35, 1.0),
        max_attempts=10, use_image_if_no_bounding_boxes=True)
    return begin[:2], size[:2]


def to_uint8(images):
    return tf.cast(images + 0.5, tf.uint8)


def resize_flip(image):
    image = to_uint8(tf.image.resize(image[None], (SIDE, SIDE))[0])
    return tf.image.random_flip_left_right(image)


def fused(images, begin, size, flip):
    """One pass: crop, resize and flip are one box each; its corners are pixel centres, reversed in x for a flip."""
    edge = tf.cast(tf.shape(images)[1:3] - 1, tf.float32)
    first = tf.cast(begin, tf.float32) / edge
    last = (tf.cast(begin + size, tf.float32) - 1.0) / edge
    left = tf.where(flip, last[..., 1], first[..., 1])
    right = tf.where(flip, first[..., 1], last[..., 1])
    boxes = tf.reshape(tf.stack([first[..., 0], left, last[..., 0], right], -1), [-1, 4])
    return to_uint8(tf.image.crop_and_resize(images, boxes, tf.range(tf.shape(images)[0]), (SIDE, SIDE)))


def random_boxes(rows, height, width):
    """RandomResizedCrop's boxes for a whole batch: ten tries in parallel, the first that fits, else the centre."""
    area = tf.random.uniform([rows, 10], 0.35, 1.0) * tf.cast(height * width, tf.float32)
    ratio = tf.exp(tf.random.uniform([rows, 10], tf.math.log(3 / 4), tf.math.log(4 / 3)))
    h = tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32)
    w = tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32)
    fits = (h <= height) & (w <= width)
    pick = tf.argmax(fits, 1)
    any_fits = tf.reduce_any(fits, 1)
    h = tf.where(any_fits, tf.gather(h, pick, batch_dims=1), tf.minimum(height, width * 4 // 3))
    w = tf.where(any_fits, tf.gather(w, pick, batch_dims=1), tf.minimum(width, height * 4 // 3))
    spare = tf.cast(tf.stack([height - h + 1, width - w + 1], 1), tf.float32)
    return tf.cast(tf.random.uniform([rows, 2]) * spare, tf.int32), tf.stack([h, w], 1)


def make(options):
    path, cached = options.opt.get("path", "roi"), options.opt.get("cache") == "decoded"
    auto = tf.data.AUTOTUNE
    jpeg = {"channels": 3, "fancy_upscaling": options.opt.get("upsampling", "fancy") == "fancy"}

    def one(record):
        example = tf.io.parse_single_example(record, SPEC)
        data = example["image"]
        if path == "full-fused":
            image = tf.io.decode_jpeg(data, **jpeg)
            begin, size = random_box(tf.shape(image))
            return fused(image[None], begin, size, tf.random.uniform([]) < 0.5)[0], example["class"]
        begin, size = random_box(tf.io.extract_jpeg_shape(data))
        image = tf.image.decode_and_crop_jpeg(data, tf.concat([begin, size], 0), **jpeg)
        if path == "roi-fused":
            whole = tf.zeros([2], tf.int32), tf.shape(image)[:2]
            return fused(image[None], *whole, tf.random.uniform([]) < 0.5)[0], example["class"]
        return resize_flip(image), example["class"]

    def decode(record):
        example = tf.io.parse_single_example(record, SPEC)
        return tf.io.decode_jpeg(example["image"], **jpeg), example["class"]

    def augment_image(image, label):
        begin, size = random_box(tf.shape(image))
        crop = tf.slice(image, tf.concat([begin, [0]], 0), tf.concat([size, [3]], 0))
        return resize_flip(crop), label

    def augment_batch(images, labels):
        rows, height, width = tf.shape(images)[0], tf.shape(images)[1], tf.shape(images)[2]
        begin, size = random_boxes(rows, height, width)
        return fused(images, begin, size, tf.random.uniform([rows]) < 0.5), labels

    files = sorted(tf.io.gfile.glob(options.data + "/*.tfrec"))
    data = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files))
    data = data.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=auto, deterministic=False)
    if cached:
        data = data.map(decode, num_parallel_calls=auto).cache().shuffle(2048)
        if path == "vectorized":
            data = data.batch(BATCH, num_parallel_calls=auto).map(augment_batch, num_parallel_calls=auto)
        else:
            data = data.map(augment_image, num_parallel_calls=auto).batch(BATCH)
    else:
        data = data.shuffle(2048).map(one, num_parallel_calls=auto).batch(BATCH)
    settings = tf.data.Options()
    settings.deterministic = False
    if options.opt.get("pool", "private") == "private":
        settings.threading.private_threadpool_size = harness.cores()
        settings.threading.max_intra_op_parallelism = 1

    def epochs(count):
        # Repeating before the prefetch lets the next epoch start while this one's last batches are taken.
        for images, labels in data.repeat(count or -1).prefetch(auto).with_options(settings):
            yield images.shape[0], images, labels

    return epochs


harness.run(make)
