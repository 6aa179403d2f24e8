"""Training steps beside PyTorch eager: starts both sides, lets them take turns, writes docs/BENCHMARKS.md's section.

    python3 train_step.py --write

For: time and memory of one training step of the five systems, on the same weights and batch. Python's standard library
only. Our side is benches/train_step.rs, PyTorch's training/; the text is made in training/report.py.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import environments
import measure
from training import report

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENT = "training"
# Relative difference of the first losses that rounding can make.
LOSS_DIFFERENCE_MAX = 1e-3
WARM_UP_STEPS = 2
# Over one synchronisation of Lookahead, so that everything has been allocated once.
MEMORY_STEPS = 7
# What the program sets for itself (src/library_settings.rs) and PyTorch leaves to the system.
OUR_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", default="1,2,3,4,5", help="rows of the leaderboard [default: all five]")
    parser.add_argument("--rows", type=int, default=16, help="images in a batch [default: 16]")
    parser.add_argument("--pixels", type=int, default=128, help="side of an image [default: 128]")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of runs, ours and PyTorch's [default: 15]")
    parser.add_argument("--steps", type=int, default=2, help="steps of a run [default: 2]")
    parser.add_argument("--memory-rows", default="2,4", help="further batch sizes to read memory at [default: 2,4]")
    parser.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--cores", help="cores to run on, as in 0,1 [default: all allowed]")
    parser.add_argument("--threads", type=int, help="threads of each side [default: as many as cores]")
    parser.add_argument("--profile", default="release", help="cargo profile of our side [default: release]")
    parser.add_argument("--ours", help="our side as built before [default: built now]")
    parser.add_argument("--venvs", default=str(HERE / ".venvs"), help="folder of the environments")
    parser.add_argument("--results", default=str(HERE / "train_step.json"), help="raw results")
    parser.add_argument("--write", action="store_true", help="write the section of docs/BENCHMARKS.md")
    parser.add_argument("--render", action="store_true", help="only write it, from the raw results")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


class Side:
    """A process that makes steps when told to."""

    def __init__(self, command, cores, settings=None):
        self.process = subprocess.Popen(
            command, env={**os.environ, **(settings or {})}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE,
            preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[0]} ended with {self.process.wait()}")
        return json.loads(line)

    def run(self, steps):
        self.process.stdin.write(f"run {steps}\n")
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def build(profile):
    """Our side's executable."""
    command = ["cargo", "build", "--package", "fastgarden-train", "--bench", "train_step", "--profile", profile,
               "--message-format", "json"]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    messages = [json.loads(line) for line in out.splitlines()]
    return next(message["executable"] for message in messages if message.get("executable"))


def both(commands, arguments, cores, work):
    """Both sides on the same weights and batch: (ours, PyTorch's)."""
    weights = Path(work) / "weights.safetensors"
    arguments = [*map(str, arguments), str(weights)]
    ours = Side([*commands[0], *arguments], cores, OUR_SETTINGS)
    theirs = Side([*commands[1], *arguments], cores)
    weights.unlink()
    if ours.ready["parameters"] != theirs.ready["parameters"]:
        raise SystemExit(f"system {arguments[0]}: {ours.ready['parameters']:,} parameters here, "
                         f"{theirs.ready['parameters']:,} in PyTorch")
    return ours, theirs


def grown(side, answer):
    return answer["peak_bytes"] - side.ready["before_bytes"]


def first_losses(number, ours, theirs):
    """The largest relative difference of the first steps' losses."""
    pairs = zip(ours["losses"], theirs["losses"])
    difference = max(abs(a - b) / abs(b) for a, b in pairs)
    if difference > LOSS_DIFFERENCE_MAX:
        raise SystemExit(f"system {number}: the first losses differ: {ours['losses']} here, {theirs['losses']}")
    return difference


def measure_system(number, args, commands, cores):
    """Times in alternating pairs, then memory at the other batch sizes."""
    threads, result = args.threads or len(cores), {"seconds": [], "cpu_seconds": [], "memory": {}}
    with tempfile.TemporaryDirectory() as work:
        arguments = [number, threads, args.rows, args.pixels, args.layout]
        ours, theirs = both(commands, arguments, cores, work)
        with ours, theirs:
            result["parameters"] = ours.ready["parameters"]
            result["loss_difference"] = first_losses(number, ours.run(WARM_UP_STEPS), theirs.run(WARM_UP_STEPS))
            for pair in range(args.pairs):
                answers = {}
                # The first of a pair might always find the caches of the other.
                for side in (ours, theirs) if pair % 2 == 0 else (theirs, ours):
                    answers[side] = side.run(args.steps)
                seconds = [sum(answers[side]["seconds"]) / args.steps for side in (ours, theirs)]
                cpu_seconds = [answers[side]["cpu_seconds"] / args.steps for side in (ours, theirs)]
                result["seconds"].append(seconds)
                result["cpu_seconds"].append(cpu_seconds)
                say(f"system {number}, pair {pair + 1}: {seconds[0]:.3f} s and {seconds[1]:.3f} s a step, "
                    f"{seconds[0] / seconds[1]:.3f} x; CPU {cpu_seconds[0] / cpu_seconds[1]:.3f} x")
            if args.pairs:
                result["memory"][args.rows] = [grown(side, answers[side]) for side in (ours, theirs)]
        for rows in filter(None, args.memory_rows.split(",")):
            ours, theirs = both(commands, [number, threads, rows, *arguments[3:]], cores, work)
            with ours, theirs:
                result["memory"][rows] = [grown(side, side.run(MEMORY_STEPS)) for side in (ours, theirs)]
    for rows, (here, there) in result["memory"].items():
        say(f"system {number}, batch {rows}: {here / 2**20:,.0f} and {there / 2**20:,.0f} MiB, {here / there:.3f} x")
    return result


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def measure_all(args):
    environments.ensure(args.venvs, ENVIRONMENT)
    python = str(Path(args.venvs) / ENVIRONMENT / "bin" / "python")
    commands = [[args.ours or build(args.profile)], [python, "-W", "ignore", str(HERE / "training" / "side.py")]]
    cores = set(map(int, args.cores.split(","))) if args.cores else measure.allowed_cores()
    results = {
        "date": datetime.date.today().isoformat(), "commit": git("rev-parse", "--short=12", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")), "machine": measure.machine(cores),
        "versions": environments.versions(ENVIRONMENT), "profile": args.profile, "layout": args.layout,
        "threads": args.threads or len(cores), "rows": args.rows, "pixels": args.pixels, "steps": args.steps, "pairs": args.pairs,
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"), "foreign_share": [], "systems": {}}
    for number in map(int, args.systems.split(",")):
        results["foreign_share"].append(measure.foreign_share())
        results["systems"][number] = measure_system(number, args, commands, cores)
        Path(args.results).write_text(json.dumps(results, indent=1) + "\n")


def main():
    args = options()
    if not args.render:
        measure_all(args)
    results = json.loads(Path(args.results).read_text())
    print("\n".join(report.section(results)))
    if args.write or args.render:
        report.replace(ROOT / "docs" / "BENCHMARKS.md", results)


if __name__ == "__main__":
    main()
