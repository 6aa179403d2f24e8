"""Side-by-side comparison of FastGarden with other input pipelines: sets up, measures in turns, writes the report.

    python3 run.py --data PHOTOS --fastgarden PATH

For: one command from a folder of real-photo TFRecords to docs/BENCHMARKS.md. Python's standard library only. What is
compared stands in systems.py, each peer's code in loaders/, how a run is measured in measure.py and loaders/harness.py.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import dataset
import environments
import measure
import report
import systems
from loaders import tfrecords

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of real-photo shards (*.tfrec, or train/) to make the data set of")
    parser.add_argument("--fastgarden", help="the release build of fastgarden-actors [default: target/release]",
                        default=str(ROOT / "target" / "release" / "fastgarden-actors"))
    parser.add_argument("--peers", help="only these, by key, separated by commas [default: all]")
    parser.add_argument("--records", type=int, default=12753, help="training records [default: 12753]")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each [default: 5]")
    parser.add_argument("--seconds", type=int, default=10, help="timed part of a run [default: 10]")
    parser.add_argument("--tune-seconds", type=int, default=5, help="the same while trying settings [default: 5]")
    parser.add_argument("--tune", action="store_true", help="try settings again, though the best are known")
    parser.add_argument("--cores", help="cores to run on, as in 0,1 [default: all allowed]")
    parser.add_argument("--ours", action="append", default=[], metavar="KEY=ARGS",
                        help='another command line of ours, as in fastgarden-cached="--cache decoded --no-hash"')
    parser.add_argument("--venvs", default=str(HERE / ".venvs"), help="folder of the environments")
    parser.add_argument("--work", default=str(HERE / ".work"), help="folder of the data set and its copies")
    parser.add_argument("--results", default=str(HERE / "results.json"), help="raw results")
    parser.add_argument("--out", default=str(ROOT / "docs"), help="folder of BENCHMARKS.md and benchmarks.svg")
    parser.add_argument("--check", action="store_true", help="only check every peer's batches over an epoch")
    parser.add_argument("--render", action="store_true", help="only write the report from the raw results")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


def chosen_systems(args, cores):
    """The systems asked for, with FastGarden's command lines as asked for."""
    everything = {system.key: system for system in systems.systems(len(cores))}
    for pair in args.ours:
        key, _, arguments = pair.partition("=")
        if key not in everything or everything[key].env:
            raise SystemExit(f"--ours {key}: no such system of ours; there are "
                             + ", ".join(key for key, system in everything.items() if not system.env))
        everything[key].arguments = arguments
    keys = args.peers.split(",") if args.peers else list(everything)
    unknown = [key for key in keys if key not in everything]
    if unknown:
        raise SystemExit(f"--peers {','.join(unknown)}: unknown; there are {', '.join(everything)}")
    return [everything[key] for key in keys]


def prepare(args, chosen):
    """Environments, data set and its conversions; the paths by what a system reads."""
    for env in dict.fromkeys(system.env for system in chosen if system.env):
        environments.ensure(args.venvs, env)
    work = Path(args.work)
    data = dataset.make(args.data, work / f"photos-{args.records}", args.records)
    if Path(args.fastgarden).exists():
        say(dataset.verify(args.fastgarden, data))
    records, paths = tfrecords.Records(data / "train"), {"root": data, "shards": data / "train"}
    reads = {system.reads for system in chosen}
    if "tar" in reads:
        paths["tar"] = dataset.to_tar(records, work / f"tar-{args.records}")
    if "files" in reads:
        paths["files"] = dataset.to_files(records, work / f"files-{args.records}")
    return paths


def once(args, system, opts, paths, cores, seconds):
    if system.env:
        return measure.peer(system, opts, paths, args.venvs, cores, seconds)
    return measure.ours(args.fastgarden, system.arguments, paths["root"], cores, seconds)


def tune(args, system, paths, cores):
    """Every setting of a peer once, shortly: [(settings, img/s or None)], known ones from the last time."""
    known_path = Path(args.work) / f"tuned-{len(cores)}-cores-{args.records}.json"
    known = json.loads(known_path.read_text()) if known_path.exists() else {}
    tried = known.get(system.key)
    if args.tune or not tried or [entry["settings"] for entry in tried] != system.variants:
        tried = []
        for opts in system.variants:
            try:
                rate = measure.peer(system, opts, paths, args.venvs, cores, args.tune_seconds)["images_per_s"]
            except measure.Failed as failure:
                rate = None
                say(f"  {system.key} {opts}: {failure}")
            tried.append({"settings": opts, "images_per_s": rate})
            say(f"  {system.key} {opts}: {'failed' if rate is None else f'{rate:,.0f} img/s'}")
        known[system.key] = tried
        known_path.write_text(json.dumps(known, indent=1))
    return tried


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def compare(args, chosen, paths, cores):
    """All rounds, A B C A B C: the raw results."""
    results = {
        "date": datetime.date.today().isoformat(),
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "machine": measure.machine(cores), "records": args.records, "seconds": args.seconds, "rounds": args.rounds,
        "foreign_share": [], "systems": {}}
    for system in chosen:
        entry = {"name": system.name, "table": system.table, "ours": not system.env, "integrity": system.integrity,
                 "differs": system.differs, "arguments": system.arguments, "settings": {}, "tried": [], "runs": [],
                 "versions": environments.versions(system.env) if system.env else []}
        results["systems"][system.key] = entry
        if system.env and len(system.variants) > 1:
            say(f"trying settings of {system.key}")
            entry["tried"] = tune(args, system, paths, cores)
            best = max(entry["tried"], key=lambda tried: tried["images_per_s"] or 0)
            entry["settings"] = best["settings"]
    for turn in range(args.rounds):
        results["foreign_share"].append(measure.foreign_share())
        for system in chosen:
            entry = results["systems"][system.key]
            if "skipped" in entry:
                continue
            try:
                run = once(args, system, entry["settings"], paths, cores, args.seconds)
            except (measure.Failed, FileNotFoundError) as failure:
                refused = getattr(failure, "refused", False) and system.arguments
                entry["skipped"] = f"this build refuses `{system.arguments}`" if refused else "it failed to run"
                say(f"round {turn + 1} {system.key}: SKIPPED, {entry['skipped']}: {failure}")
                continue
            entry["runs"].append(run)
            say(f"round {turn + 1} {system.key}: {run['images_per_s']:,.0f} img/s, "
                f"{1000 * run['cpu_seconds'] / run['images']:.3f} CPU-s per 1,000, {run['peak_bytes'] >> 20} MiB")
        Path(args.results).write_text(json.dumps(results, indent=1) + "\n")
    return results


def main():
    args = options()
    if args.render:
        report.write(json.loads(Path(args.results).read_text()), Path(args.out))
        return
    if not args.data:
        raise SystemExit("--data is missing: a folder of real-photo TFRecord shards")
    cores = {int(core) for core in args.cores.split(",")} if args.cores else measure.allowed_cores()
    chosen = chosen_systems(args, cores)
    paths = prepare(args, chosen)
    if args.check:
        failed = False
        for system in filter(lambda system: system.env, chosen):
            try:
                say(f"{system.key}: {measure.peer(system, system.variants[0], paths, args.venvs, cores, 0, check=True)}")
            except measure.Failed as failure:
                failed = True
                say(f"{system.key}: {failure}")
        raise SystemExit(failed)
    report.write(compare(args, chosen, paths, cores), Path(args.out))


if __name__ == "__main__":
    main()
