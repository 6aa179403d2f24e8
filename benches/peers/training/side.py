"""PyTorch's side of the training-step comparison: as benches/train_step.rs, with the same arguments and lines.

    side.py SYSTEM THREADS ROWS PIXELS contiguous|channels_last WEIGHTS_FILE
"""

import json
import struct
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import nets
from ranger import Ranger

KINDS = {"F32": torch.float32, "I64": torch.int64}


def status_bytes(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def tensors(path):
    """What a safetensors file holds: eight bytes of length, JSON, raw values."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start, out = file.tell(), {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            data = torch.frombuffer(bytearray(file.read(end - begin)), dtype=KINDS[entry["dtype"]])
            out[name] = data.view(entry["shape"])
    return out


def warm_up():
    """Loads what every net uses and starts the threads, so that the memory of that is not counted."""
    x, weight = torch.rand(2, 8, 32, 32, requires_grad=True), torch.rand(8, 8, 3, 3, requires_grad=True)
    y = F.conv2d(x, weight, padding=1).flatten(1)
    (y @ y.t()).mean().backward()


def build(number, layout, weights):
    """Net, optimiser, batch and loss settings, beginning from the other side's weights."""
    net, smoothing, lr = nets.system(number)
    state = tensors(weights)
    images, labels = state.pop("images"), state.pop("labels")
    missing, unexpected = net.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"the nets differ: {missing[:5]} missing, {unexpected[:5]} unknown")
    if layout == "channels_last":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    else:
        images = images.clone()
    return net.train(), Ranger(net, lr), images, labels.clone(), smoothing


def main():
    number, threads, rows, pixels = map(int, sys.argv[1:5])
    torch.set_num_threads(threads)
    warm_up()
    before = status_bytes("VmRSS")
    net, optimizer, images, labels, smoothing = build(number, *sys.argv[5:7])
    assert images.shape == (rows, 3, pixels, pixels)
    Path("/proc/self/clear_refs").write_text("5")
    parameters = sum(p.numel() for p in net.parameters())
    print(json.dumps({"parameters": parameters, "before_bytes": before}), flush=True)
    for line in sys.stdin:
        seconds, losses, cpu_begun = [], [], time.process_time()
        for _ in range(int(line.removeprefix("run "))):
            begun = time.perf_counter()
            loss = F.cross_entropy(net(images), labels, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - begun)
        print(json.dumps({"seconds": seconds, "cpu_seconds": time.process_time() - cpu_begun, "losses": losses,
                          "peak_bytes": status_bytes("VmHWM")}), flush=True)


if __name__ == "__main__":
    main()
