"""TFRecord framing and `tf.train.Example` in plain Python: walk, parse, write, and read single records by offset.

For: the data-set maker, the converters, and the peers that cannot read TFRecords by themselves. Reads check no CRC
(those peers' own readers check none either); `write` makes valid ones. Not a general protobuf library.
"""

import os
import struct
from pathlib import Path

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = (_byte >> 1) ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def crc32c(data, crc=0):
    """CRC-32C (Castagnoli) of `data`, continuing from `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked(crc):
    """The TFRecord framing's masked form of a CRC-32C."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class CrcSuffix:
    """CRC-32C of `prefix + suffix` for one suffix and many prefixes, at the cost of the prefix alone.

    CRCs are linear: crc(a + b) = shift(crc(a), len(b)) ^ crc(b), where `shift` is a 32 x 32 bit matrix.
    """

    def __init__(self, suffix):
        self.crc = crc32c(suffix)
        # One zero byte as a matrix (row i = image of bit i), raised to the power of the suffix's length by squaring.
        power = [_TABLE[(1 << i) & 0xFF] ^ (1 << i) >> 8 for i in range(32)]
        self.rows = [1 << i for i in range(32)]
        length = len(suffix)
        while length:
            if length & 1:
                self.rows = [_times(power, row) for row in self.rows]
            power = [_times(power, row) for row in power]
            length >>= 1

    def after(self, prefix):
        """CRC-32C of `prefix` followed by the suffix."""
        return _times(self.rows, crc32c(prefix)) ^ self.crc


def _times(rows, vector):
    out = 0
    for row in rows:
        if vector & 1:
            out ^= row
        vector >>= 1
    return out


def spans(path):
    """Yields (offset of the framing, payload length) of every record of a shard."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        offset = 0
        while offset < size:
            file.seek(offset)
            (length,) = struct.unpack("<Q", file.read(8))
            if offset + length + 16 > size:
                raise ValueError(f"{path}: record at {offset} ends beyond the file")
            yield offset, length
            offset += length + 16


def varint(data, at):
    """The varint at `at` and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def encode_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data):
    """Yields (field number, value) of a message: bytes for length-delimited fields, int for varints."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            length, at = varint(data, at)
            yield key >> 3, data[at : at + length]
            at += length
        elif key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        else:
            raise ValueError(f"wire type {key & 7} is not used by tf.train.Example's strings and integers")


def parse_example(payload):
    """Feature name -> bytes or int (the first value) of a serialized `tf.train.Example`."""
    out = {}
    for _, features in fields(payload):
        for _, entry in fields(features):
            pair = dict(fields(entry))
            for kind, values in fields(pair[2]):
                value = dict(fields(values)).get(1)
                if kind == 3 and not isinstance(value, int):  # packed int64
                    value = varint(value, 0)[0]
                out[bytes(pair[1]).decode()] = value
    return out


def delimited(number, data):
    """A length-delimited protobuf field."""
    return encode_varint(number << 3 | 2) + encode_varint(len(data)) + data


def feature_entry(name, value):
    """One entry of `Features.feature`: an int becomes an int64_list, bytes a bytes_list."""
    if isinstance(value, int):
        feature = delimited(3, delimited(1, encode_varint(value)))
    else:
        feature = delimited(1, delimited(1, value))
    return delimited(1, delimited(1, name.encode()) + delimited(2, feature))


class Records:
    """Random access to (JPEG bytes, label) over a folder of shards, by `pread`, safe to send to worker processes."""

    def __init__(self, folder):
        self.paths = sorted(str(path) for path in Path(folder).glob("*.tfrec"))
        self.where = [(n, offset, length) for n, path in enumerate(self.paths) for offset, length in spans(path)]
        self.files = {}

    def __getstate__(self):
        return {**self.__dict__, "files": {}}

    def __len__(self):
        return len(self.where)

    def __getitem__(self, index):
        shard, offset, length = self.where[index]
        file = self.files.get(shard)
        if file is None:
            file = self.files.setdefault(shard, os.open(self.paths[shard], os.O_RDONLY))
        example = parse_example(memoryview(os.pread(file, length, offset + 12)))
        return example["image"], example["class"]
