"""Unpacks from one wheel what a program linked with libtorch needs; its checksums are verified by zipfile.

Arguments: cpu or cuda, the wheel, the folder to unpack into.
"""

import os
import shutil
import sys
import zipfile

# They hang on the CUDA libraries or on Python. On a machine without a GPU none of them is linked.
CUDA_ONLY = ("libtorch_cuda", "libtorch_nvshmem", "libc10_cuda", "libcaffe2_nvrtc", "libtorch.so")
# Of NVIDIA's libraries libtorch_cpu.so asks for these two.
CUDA_NEEDED_BY_CPU = ("libcudart.so", "libcupti.so")


def is_wanted(name, variant):
    folder, _, file = name.rpartition("/")
    if not file:
        return False
    if name.startswith(("torch/include/", "torch.libs/")):
        return True
    if folder == "torch/lib":
        if file.startswith("libtorch_python"):
            return False
        return variant == "cuda" or not file.startswith(CUDA_ONLY)
    if name.startswith("nvidia/") and folder.endswith("/lib") and ".so" in file:
        return variant == "cuda" or file.startswith(CUDA_NEEDED_BY_CPU)
    return False


def main():
    variant, wheel, into = sys.argv[1:]
    root = os.path.realpath(into)
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not is_wanted(entry.filename, variant):
                continue
            path = os.path.realpath(os.path.join(root, entry.filename))
            if not path.startswith(root + os.sep):
                sys.exit("the wheel names a file outside itself: " + entry.filename)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(entry) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)


main()
