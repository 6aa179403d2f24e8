"""Makes the comparison's data sets: real photos repeated into new TFRecord shards, and their tar and file copies.

For: a data set of any asked size with distinct ids, valid CRCs and the Kaggle shard naming, and the conversions that
WebDataset (tar) and datago (files) need because they read no TFRecords. Not for training: the photos repeat.
"""

import argparse
import io
import random
import struct
import subprocess
import tarfile
from pathlib import Path

from loaders import tfrecords

SHARDS = 16


def source_records(folder):
    """(other features' entries, image entry, CRC helper of the image entry) of every record under `folder`."""
    out = []
    paths = sorted(Path(folder).glob("*.tfrec"))
    if not paths:
        raise SystemExit(f"no *.tfrec in {folder}")
    for path in paths:
        data = path.read_bytes()
        for offset, length in tfrecords.spans(path):
            example = tfrecords.parse_example(data[offset + 12 : offset + 12 + length])
            image = tfrecords.feature_entry("image", example.pop("image"))
            example.pop("id", None)
            rest = b"".join(tfrecords.feature_entry(name, value) for name, value in sorted(example.items()))
            out.append((rest, image, tfrecords.CrcSuffix(image)))
    return out


def write_split(source, folder, count, first_id):
    """Writes `count` records into shards; every pass over the source has another (fixed) order and new ids."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, order, next_id = random.Random(first_id), [], first_id
    per_shard = -(-count // min(SHARDS, count))
    for shard in range(-(-count // per_shard)):
        rows = min(per_shard, count - shard * per_shard)
        with open(folder / f"{shard:02}-224x224-{rows}.tfrec", "wb") as file:
            for _ in range(rows):
                if not order:
                    order = rng.sample(range(len(source)), len(source))
                rest, image, suffix = source[order.pop()]
                head = rest + tfrecords.feature_entry("id", f"{next_id:09}".encode())
                next_id += 1
                size = len(head) + len(image)
                # Example { features = 1 }: the outer field's key and length come before the entries.
                head = b"\x0a" + tfrecords.encode_varint(size) + head
                length = struct.pack("<Q", len(head) + len(image))
                file.write(length + struct.pack("<I", tfrecords.masked(tfrecords.crc32c(length))) + head + image)
                file.write(struct.pack("<I", tfrecords.masked(suffix.after(head))))
    return next_id


def make(data, out, train, val=0):
    """The data set at `out`, made of the shards in `data`/train and `data`/val; kept if it is there already."""
    out, done = Path(out), Path(out) / "made.txt"
    wanted = f"train {train} val {val}\n"
    if done.exists() and done.read_text() == wanted:
        return out
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} is not empty and not this data set: name another folder or remove it")
    data = Path(data)
    train_folder = data / "train" if (data / "train").is_dir() else data
    next_id = write_split(source_records(train_folder), out / "train", train, 1)
    if val:
        val_folder = data / "val" if (data / "val").is_dir() else train_folder
        write_split(source_records(val_folder), out / "val", val, next_id)
    if (data / "classes.txt").exists():
        (out / "classes.txt").write_bytes((data / "classes.txt").read_bytes())
    done.write_text(wanted)
    return out


def verify(binary, folder):
    """Has FastGarden check every CRC and record; its last line is shown, a failure ends the run."""
    done = subprocess.run([binary, "data", "verify", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{folder} does not verify:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def to_tar(records, out):
    """WebDataset shards: `ID.jpg` and `ID.cls` side by side, as many tars as TFRecord shards."""
    out = Path(out)
    if (out / "done").exists():
        return out
    out.mkdir(parents=True, exist_ok=True)
    per_shard = -(-len(records) // len(records.paths))
    for shard in range(len(records.paths)):
        with tarfile.open(out / f"{shard:05}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in range(shard * per_shard, min((shard + 1) * per_shard, len(records))):
                image, label = records[index]
                for name, body in ((f"{index:09}.jpg", image), (f"{index:09}.cls", str(label).encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
    (out / "done").touch()
    return out


def to_files(records, out):
    """Plain files for datago: the label is the name's first part, since its file source carries no labels."""
    out = Path(out)
    if not (out.parent / f"{out.name}.done").exists():
        for index in range(len(records)):
            image, label = records[index]
            folder = out / f"{index % 16:02}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{label}_{index:09}.jpg").write_bytes(image)
        (out.parent / f"{out.name}.done").touch()
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of real photos: *.tfrec, or train/ and val/")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--train", type=int, default=12753, help="training records [default: 12753]")
    parser.add_argument("--val", type=int, default=0, help="validation records [default: 0]")
    arguments = parser.parse_args()
    print(make(arguments.data, arguments.out, arguments.train, arguments.val))
