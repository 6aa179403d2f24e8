"""Runs one system once, pinned to the chosen cores, and returns its figures; readings of the machine.

For: the same treatment of every process, peer or FastGarden. Raises `Failed` with the reason when there are none.
"""

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from loaders import harness

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 900


class Failed(Exception):
    """A system gave no figures; the text says why. `refused`: FastGarden's build does not know an option."""

    def __init__(self, text, refused=False):
        super().__init__(text)
        self.refused = refused


def run(command, cores):
    """(standard output, resource usage) of a command on these cores; nothing of it lives on afterwards."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=HERE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores))
    texts = {}
    readers = [threading.Thread(target=lambda name=name, file=file: texts.update({name: file.read()}), daemon=True)
               for name, file in (("out", process.stdout), ("err", process.stderr))]
    for reader in readers:
        reader.start()
    started, usage = time.monotonic(), None
    while usage is None:
        pid, status, reaped = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode, usage = os.waitstatus_to_exitcode(status), reaped
        elif time.monotonic() - started > LIMIT_SECONDS:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            time.sleep(0.1)
    end_group(process.pid)
    for reader in readers:
        reader.join(5)
    if process.returncode:
        lines = [line for line in texts.get("err", "").splitlines() if line.strip()] or ["no message"]
        cause = next((line for line in lines if line.startswith("error:")), lines[-1])
        raise Failed(f"exit {process.returncode}: {cause[:300]}", refused=process.returncode == 2)
    return texts.get("out", ""), usage


def end_group(group):
    """Lets the workers of a process that is gone leave by themselves, then ends what is left."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)


def peer(system, opts, paths, venvs, cores, seconds, check=False):
    """One run of a peer's script: its JSON line."""
    script = HERE / "loaders" / f"load_{system.env}.py"
    command = [str(Path(venvs) / system.env / "bin" / "python"), str(script), "--data", str(paths[system.reads]),
               "--labels", str(paths["shards"]), "--seconds", str(seconds)]
    for key, value in {**system.fixed, **opts}.items():
        command += ["--opt", f"{key}={value}"]
    out, _ = run(command + (["--check"] if check else []), cores)
    try:
        return json.loads(out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed("no result line") from None


def ours(binary, arguments, data, cores, seconds):
    """One run of `fastgarden-actors bench`.

    CPU time is that of the timed part, as the bench says; peak memory is the kernel's high-water mark.
    """
    command = [binary, "bench", "--data", str(data), "--seconds", str(seconds), "--format", "json", "--no-ceiling"]
    out, usage = run(command + shlex.split(arguments), cores)
    try:
        result = json.loads(out[out.index("{"):])
        images, timed, per_1000 = (result[key] for key in ("images", "seconds", "cpu_s_per_1000_images"))
    except (ValueError, KeyError):
        raise Failed("no result in its output") from None
    return {
        # As for the peers: all images by all seconds, not the bench's own median of its stretches.
        "images_per_s": images / timed,
        "images": images,
        "seconds": timed,
        "cpu_seconds": per_1000 * images / 1000,
        "peak_bytes": usage.ru_maxrss * 1024,
        "processes": 1,
    }


def foreign_share(seconds=1.0):
    """Share of all cores that others keep busy while nothing of ours runs."""
    def reading():
        values = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        return sum(values), values[3] + values[4]
    total, idle = reading()
    time.sleep(seconds)
    total_after, idle_after = reading()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def machine(cores):
    """What a reader needs to place the figures; nothing that names the machine."""
    cpuinfo, meminfo = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    flags = set(_field(cpuinfo, "flags").split())
    return {
        "cpu": _field(cpuinfo, "model name") or platform.processor(),
        "simd": [flag for flag in ("sse4_1", "avx2", "avx512bw", "asimd") if flag in flags],
        "cores": os.cpu_count(),
        "cores_used": sorted(cores),
        "memory_gib": round(int(_field(meminfo, "MemTotal").split()[0]) / 2**20, 1),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": sys.version.split()[0],
    }


def _field(text, name):
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name)), "")


def allowed_cores():
    """Cores that this process may run on, by number."""
    return os.sched_getaffinity(0)
