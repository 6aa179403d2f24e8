"""What every peer's script shares: options, the warm-up epoch, the timed part, CPU and memory readings, the check.

A script gives `run(make)` a function `make(options)` that returns `epochs(count)`: an iterator over (rows, images,
labels) for `count` epochs, endless for None. The result is one JSON line, the last on standard output. Nothing here
imports a peer, so that nothing but the peer's own work is measured.
"""

import argparse
import json
import os
import time
from pathlib import Path

BATCH = 64
SIDE = 224
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid=None):
    """This process and all its living descendants."""
    pid = pid or os.getpid()
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                pids += tree(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return pids


def cpu_seconds(pids):
    """User + system time of the processes and of the children they have waited for."""
    total = 0
    for pid in pids:
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(map(int, after_name[11:15]))
    return total / TICKS


def memory_bytes(pids):
    """One process: the kernel's own high-water mark of its resident set. Several: the sum of their proportional
    sets (PSS) now, in which a page shared by n processes counts 1/n in each."""
    if len(pids) == 1:
        return _kib(f"/proc/{pids[0]}/status", "VmHWM:")
    return sum(_kib(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def _kib(path, key):
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def cores():
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def run(make):
    """Runs the peer as the command line asks and prints its result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="what this peer reads: shards, tars or files")
    parser.add_argument("--labels", required=True, help="folder of the TFRecord shards, for counts and the check")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--check", action="store_true", help="check one epoch's batches instead of timing")
    parser.add_argument("--dump", help="with --check: write the first batch here as .npy (NHWC)")
    parser.add_argument("--opt", action="append", default=[], metavar="KEY=VALUE", help="the peer's own settings")
    options = parser.parse_args()
    options.opt = dict(pair.split("=", 1) for pair in options.opt)
    options.records = sum(int(p.stem.rpartition("-")[2]) for p in Path(options.labels).glob("*.tfrec"))
    result = check(make(options), options) if options.check else measure(make(options), options)
    print(json.dumps(result), flush=True)
    # Worker pools of several peers hang or crash while Python winds down; all that counts is printed.
    os._exit(0)


def measure(epochs, options):
    """One warm-up epoch, then whole batches until the time is up."""
    stream, rows, peak, sampled = epochs(None), 0, 0, time.monotonic()
    while rows < options.records:
        rows += next(stream)[0]
        if time.monotonic() > sampled + 0.5:
            peak, sampled = max(peak, memory_bytes(tree())), time.monotonic()
    before = cpu_seconds(tree())
    images, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < options.seconds:
        images += next(stream)[0]
    pids = tree()
    return {
        "images": images,
        "seconds": elapsed,
        "images_per_s": images / elapsed,
        "cpu_seconds": cpu_seconds(pids) - before,
        "peak_bytes": max(peak, memory_bytes(pids)),
        "processes": len(pids),
    }


def check(epochs, options):
    """One epoch, batch by batch: shapes, type, number of rows, and the same labels as the shards hold."""
    import collections

    import numpy

    from loaders import tfrecords

    wanted = collections.Counter(label for _, label in tfrecords.Records(options.labels))
    rows, seen, shapes, means = 0, collections.Counter(), set(), []
    for count, images, labels in epochs(1):
        images, labels = to_numpy(numpy, images), to_numpy(numpy, labels).reshape(-1)
        assert images.dtype == numpy.uint8, f"images are {images.dtype}"
        assert len(images) == len(labels) == count, f"{len(images)} images, {len(labels)} labels, {count} rows"
        assert images.shape[1:] in ((SIDE, SIDE, 3), (3, SIDE, SIDE)), f"shape {images.shape}"
        if rows == 0 and options.dump:
            numpy.save(options.dump, images if images.shape[3] == 3 else images.transpose(0, 2, 3, 1))
        rows += count
        seen.update(labels.tolist())
        shapes.add(images.shape)
        means.append(float(images.mean()))
    assert rows == options.records, f"{rows} rows in an epoch of {options.records} records"
    assert seen == wanted, "the epoch's labels are not the shards'"
    assert 20 < min(means) and max(means) < 235 and len(set(means)) > 1, "batches look empty or all the same"
    largest = max(shapes)
    return {"rows": rows, "batches": len(means), "shape": largest, "labels": "as in the shards"}


def to_numpy(numpy, value):
    """A peer's batch as an array: DALI's lists need their own call, all others understand `asarray`."""
    return value.as_array() if hasattr(value, "as_array") else numpy.asarray(value)
