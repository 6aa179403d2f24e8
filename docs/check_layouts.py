"""Checks `export` and the import of foreign weights against the libraries themselves.

For each net: fill fastai's model by a formula, save its state_dict, and let fastgarden-actors
  - write it back in fastai's layout: loads strictly into a fresh model and gives the same logits,
  - write it in timm's layout, where timm has such a net: loads strictly into the model that the printed line of Python
    builds and gives the same logits,
  - evaluate it on a small garden: the same accuracy and loss as fastai's model on the same pictures.

Not a test of the nets' arithmetic (the golden numbers are), nor of training. Needs torch, fastai, timm, safetensors,
Pillow; run it with the path of the program:

    python docs/check_layouts.py target/debug/fastgarden-actors
"""

import functools  # noqa: F401  (used by the printed line)
import io
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import safetensors.torch
import timm
import torch
from fastai.vision.models import xresnet
from PIL import Image

LOGITS_TOLERANCE = 1e-4  # of the largest logit
LOSS_TOLERANCE = 2e-3  # relative: two JPEG decoders may differ by one in a byte

BOTTLENECK = ['net.block={ kind = "bottleneck" }', "net.layers=[3, 4, 6, 3]"]
GROUPED = ['net.block={ kind = "bottleneck", groups = 32 }', "net.layers=[3, 4, 6, 3]"]
SELF_ATTENTION = BOTTLENECK + ["net.self_attention=true", "net.activation=mish", "net.outputs=1000"]
# name -> (fastai's model, what makes the recipe `seedling` of it, whether timm has such a net)
NETS = {
    "xresnet18": (lambda: xresnet.xresnet18(n_out=104), [], True),
    "xresnet34": (lambda: xresnet.xresnet34(n_out=104), ["net.layers=[3, 4, 6, 3]"], True),
    "xresnet50": (lambda: xresnet.xresnet50(n_out=104), BOTTLENECK, True),
    "xse_resnext50": (lambda: xresnet.xse_resnext50(n_out=104), GROUPED + ["net.squeeze_excite=16"], True),
    "xse_resnext34": (
        lambda: xresnet.xse_resnext34(n_out=104),
        ['net.block={ kind = "basic", groups = 32 }', "net.layers=[3, 4, 6, 3]", "net.squeeze_excite=16"],
        False,
    ),
    "flat-cos-rrc": (lambda: xresnet.xresnet50(n_out=1000, sa=True, act_cls=torch.nn.Mish), SELF_ATTENTION, False),
}
GEOMETRY = ["stage.0.source_px=64", "evaluation={ source_px = 64, resize_px = 64, input_px = 64 }"]


def fill(model):
    """The golden numbers' formula, without its exceptions for deconvolutions."""
    for key, tensor in model.state_dict().items():
        count, last = tensor.numel(), key.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            continue
        i = torch.arange(count, dtype=torch.float64)
        h = zlib.crc32(key.encode()) % 1000
        s = torch.sin(0.7 * i + 0.01 * h + 2 * math.pi * ((i * i) % 1009) / 1009)
        if last == "running_var":
            s = 1 + 0.2 * s
        elif last in ("running_mean", "bias"):
            s = 0.1 * s
        elif last == "gamma":
            s = torch.full_like(s, 1e-4)
        elif last in ("weight_u", "weight_v"):
            s = s / s.norm()
        elif tensor.dim() == 1:
            s = 1 + 0.1 * s
        else:
            s = math.sqrt(2) * math.sqrt(2 * tensor.shape[0] / count) * s
        tensor.copy_(s.view(tensor.shape))
    return model.eval()


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a protobuf message; numbers and bytes only."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        yield tag >> 3, value


def records(path):
    """(picture as float [3, H, W] in 0-1, class) of each record of a shard."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        payload, at = data[at + 12 : at + 12 + length], at + 16 + length
        found = {}
        for _, features in fields(payload):
            for _, entry in fields(features):
                name, feature = (value for _, value in fields(entry))
                ((_, listed),) = fields(feature)
                ((_, value),) = fields(listed)
                found[name.decode()] = value
        label = found["class"]
        label = label if isinstance(label, int) else varint(label, 0)[0]
        picture = np.asarray(Image.open(io.BytesIO(found["image"])).convert("RGB"))
        yield torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255, label


def run(program, words, folder):
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout


def same(found, expected, what):
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    if not error <= LOGITS_TOLERANCE:
        sys.exit(f"{what}: logits differ by {error:.1e} of the largest")
    return error


@torch.no_grad()
def check(name, program, folder, pictures, labels):
    build, changes, in_timm = NETS[name]
    recipe = [word for change in changes + GEOMETRY for word in ("--set", change)]
    recipe = ["--recipe", "seedling", *recipe]
    model = fill(build())
    expected = model(pictures)
    safetensors.torch.save_file(model.state_dict(), folder / "in.safetensors")

    run(program, ["export", "in.safetensors", "--layout", "fastai", "--out", "fastai.safetensors", *recipe], folder)
    fresh = build().eval()
    fresh.load_state_dict(safetensors.torch.load_file(folder / "fastai.safetensors"), strict=True)
    told = f"{name}: fastai {same(fresh(pictures), expected, name + ' in fastai'):.0e}"

    if in_timm:
        words = ["export", "in.safetensors", "--layout", "timm", "--out", "timm.safetensors", *recipe]
        printed = run(program, words, folder)
        line = next(line for line in printed.splitlines() if "model = " in line)
        other = eval(line.split("model = ", 1)[1]).eval()
        other.load_state_dict(safetensors.torch.load_file(folder / "timm.safetensors"), strict=True)
        told += f", timm {same(other(pictures), expected, name + ' in timm'):.0e}"
        # And back from timm's names.
        words = ["export", "timm.safetensors", "--layout", "fastai", "--out", "back.safetensors", *recipe]
        run(program, words, folder)
        fresh.load_state_dict(safetensors.torch.load_file(folder / "back.safetensors"), strict=True)
        same(fresh(pictures), expected, name + " back from timm")

    smoothing = 0.1
    loss = torch.nn.functional.cross_entropy(expected, labels, label_smoothing=smoothing).item()
    accuracy = (expected.argmax(1) == labels).float().mean().item()
    words = ["evaluate", "in.safetensors", "--data", "garden", "--device", "cpu", "--format", "json", *recipe]
    found = json.loads(run(program, words, folder))
    if abs(found["valid_loss"] - loss) > LOSS_TOLERANCE * loss or abs(found["accuracy"] - accuracy) > 0.5 / len(labels):
        sys.exit(f"{name}: loss {found['valid_loss']}, accuracy {found['accuracy']}; in fastai {loss}, {accuracy}")
    print(f"{told}, loss {found['valid_loss']:.4f} (fastai {loss:.4f})")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run(program, ["data", "garden", "garden", "--sizes", "64", "--train", "64", "--val", "32"], folder)
        shards = sorted(folder.glob("garden/**/val/*.tfrec"))
        pictures, labels = zip(*(record for shard in shards for record in records(shard)))
        for name in NETS:
            check(name, program, folder, torch.stack(pictures), torch.tensor(labels))


if __name__ == "__main__":
    main()
