"""The stage that peers without one of their own are given: JPEG decode and crop-resize-flip on arrays, without the GIL.

simplejpeg (libjpeg-turbo) and OpenCV are the fastest such pair on PyPI; both let other Python threads run while they
work. The boxes are drawn as torchvision's RandomResizedCrop draws them.
"""

import math
import random

import cv2
import numpy
import simplejpeg

from loaders.harness import SIDE

cv2.setNumThreads(0)  # one thread an image: the peer's own pool spreads images over cores
LOG_RATIO = (math.log(3 / 4), math.log(4 / 3))


def random_box(height, width):
    """(top, left, height, width): area 0.35 to 1, ratio 3/4 to 4/3, ten tries, then the central fallback."""
    for _ in range(10):
        area = random.uniform(0.35, 1) * height * width
        ratio = math.exp(random.uniform(*LOG_RATIO))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - h) // 2, (width - w) // 2, h, w


def augment(image, out=None):
    """A random crop of an HWC uint8 image at 224 x 224, bilinear, flipped half of the time."""
    top, left, h, w = random_box(*image.shape[:2])
    image = cv2.resize(image[top : top + h, left : left + w], (SIDE, SIDE), dst=out, interpolation=cv2.INTER_LINEAR)
    return cv2.flip(image, 1, dst=image) if random.random() < 0.5 else image


def decode(jpeg, fast=False):
    """A JPEG as an RGB array; `fast` asks for libjpeg-turbo's fast DCT and plain chroma upsampling."""
    return simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=fast, fastupsample=fast)


def decode_augment(jpeg, fast=False):
    return augment(decode(jpeg, fast))


def collate(pairs):
    """[(image, label)] -> (images, labels) in one array each."""
    out = numpy.empty((len(pairs), SIDE, SIDE, 3), numpy.uint8)
    for row, (image, _) in enumerate(pairs):
        out[row] = image
    return out, numpy.array([label for _, label in pairs], numpy.int64)
