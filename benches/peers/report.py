"""Writes docs/BENCHMARKS.md and docs/benchmarks.svg from the raw results. Every number in them is one of theirs."""

import statistics

import plot
from training import report as training_report

TITLES = {
    "uncached": "Uncached: TFRecord to uint8 batch",
    "cached": "Decoded images cached in memory",
}
# Above this share of foreign load the figures of all are too low to be quoted.
FOREIGN_SHARE_MAX = 0.03


def figures(entry):
    """Median and range of a system's runs."""
    rates = [run["images_per_s"] for run in entry["runs"]]
    return {
        "median": statistics.median(rates), "low": min(rates), "high": max(rates),
        "cpu": statistics.median(1000 * run["cpu_seconds"] / run["images"] for run in entry["runs"]),
        "peak": max(run["peak_bytes"] for run in entry["runs"]),
        "processes": max(run["processes"] for run in entry["runs"]),
    }


def settings_text(settings):
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def table(results, which):
    """Markdown table of one comparison, fastest first, and the plot's rows."""
    measured = {key: (entry, figures(entry)) for key, entry in results["systems"].items()
                if entry["table"] == which and entry["runs"]}
    peers = [found["median"] for entry, found in measured.values() if not entry["ours"]]
    best = max(peers) if peers else None
    lines = ["| System | img/s, median (range) | vs the best peer | CPU-s per 1,000 | peak memory, MiB | processes "
             "| checks | settings kept |", "|---|--:|--:|--:|--:|--:|---|---|"]
    for entry, found in sorted(measured.values(), key=lambda pair: -pair[1]["median"]):
        name = f"**{entry['name']}**" if entry["ours"] else entry["name"]
        ratio = f"{found['median'] / best:.2f} ×" if best else ""
        kept = f"`{entry['arguments']}`" if entry["ours"] and entry["arguments"] else settings_text(entry["settings"])
        lines.append(f"| {name} | {found['median']:,.0f} ({found['low']:,.0f}–{found['high']:,.0f}) | {ratio} "
                     f"| {found['cpu']:.3f} | {found['peak'] / 2**20:,.0f} | {found['processes']} "
                     f"| {entry['integrity']} | {kept} |")
    rows = [(entry["name"].replace("`", ""), found["median"], found["low"], found["high"], entry["ours"])
            for entry, found in measured.values()]
    return lines, rows


def tried(results):
    lines = []
    for entry in results["systems"].values():
        if entry["tried"]:
            best = max(entry["tried"], key=lambda one: one["images_per_s"] or 0)
            texts = []
            for one in entry["tried"]:
                rate = "failed" if one["images_per_s"] is None else f"{one['images_per_s']:,.0f}"
                text = f"{settings_text(one['settings']) or 'defaults'}: {rate}"
                texts.append(f"**{text}**" if one is best else text)
            lines.append(f"- {entry['name']}: " + "; ".join(texts))
    return lines


def markdown(results):
    """The report's text and the plot's panels."""
    machine, out, panels = results["machine"], [], []
    foreign = max(results["foreign_share"])
    out += [
        "# Benchmarks: FastGarden beside other input pipelines", "",
        "Written by `benches/peers/run.py` from one run's raw results; no number here is typed by hand.", "",
        "![Images a second of each system](benchmarks.svg)", "",
        f"- Machine: {machine['cpu']} ({', '.join(machine['simd'])}), {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['kernel']}; runs pinned to "
        f"{len(machine['cores_used'])} core(s).",
        f"- Date: {results['date']}; commit `{results['commit']}`"
        + (" with uncommitted changes" if results["dirty"] else "")
        + f"; CPython {machine['python']}.",
        f"- Data: {results['records']:,} JPEGs of 224 px in TFRecord shards, real photos repeated under distinct ids, "
        "in the page cache.",
        f"- Rounds: {results['rounds']}, the systems in turn (A B C A B C …); a run is a fresh process: one warm-up "
        f"epoch for the peers, the bench's own warm-up for FastGarden, then {results['seconds']} s timed.",
        f"- Load of others while nothing of this comparison ran: at most {100 * foreign:.0f} % of the machine.", ""]
    if foreign > FOREIGN_SHARE_MAX:
        out += ["> **Not a quiet machine: a rehearsal.** All figures are too low and the ratios are uncertain.", ""]
    out += [
        "The work: TFRecord → CRC where the system checks → JPEG decode → RandomResizedCrop(224, area 0.35–1, ratio "
        "3/4–4/3) → horizontal flip, p = 0.5 → uint8 batch of 64 with labels, shuffled.", ""]
    for which, title in TITLES.items():
        lines, rows = table(results, which)
        if rows:
            out += [f"## {title}", "", *lines, ""]
            panels.append((title, "images/s", rows))
    skipped = [f"- {entry['name']}: {entry['skipped']}" for entry in results["systems"].values() if "skipped" in entry]
    if skipped:
        out += ["Not measured:", "", *skipped, ""]
    out += [
        "CPU-seconds: user + system time of the whole process tree over the timed part (FastGarden's as "
        "its bench says). Peak memory: for one process "
        "the kernel's high-water mark of its resident set; for several the largest sum of their proportional sets "
        "(a page shared by n counts 1/n), sampled twice a second during the warm-up epoch and once after the timed "
        "part. The largest of all rounds is shown.", "",
        "## What differs", "",
        *[f"- {entry['name']}: {entry['differs']}" for entry in results["systems"].values()], ""]
    if lines := tried(results):
        out += ["## Settings tried", "",
                "Each once, shortly (img/s), before the rounds; the fastest is kept.", "", *lines, ""]
    versions = {entry["name"]: ", ".join(entry["versions"]) for entry in results["systems"].values()
                if entry["versions"]}
    out += ["## Versions", "", *[f"- {name}: {text}" for name, text in versions.items()], "",
            "## Commands", "", "```sh", "cargo build --release",
            f"python3 benches/peers/run.py --data PHOTOS --records {results['records']} --rounds {results['rounds']} "
            f"--seconds {results['seconds']} --cores {','.join(map(str, machine['cores_used']))} "
            f"--peers {','.join(results['systems'])}", "```", "",
            "FastGarden's own command is `fastgarden-actors bench --data DIR --seconds "
            f"{results['seconds']} --format json --no-ceiling` and what the tables name. "
            "[benches/peers/README.md](../benches/peers/README.md) says what the run downloads and how long it takes.",
            ""]
    return "\n".join(out), panels


def write(results, folder):
    """Writes both files; systems without a finished run are left out of tables and plot, and named.

    The section about training steps, which train_step.py writes, stays.
    """
    text, panels = markdown(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "BENCHMARKS.md"
    training = training_report.split(path.read_text())[1] if path.exists() else ""
    path.write_text(text + training)
    if panels:
        (folder / "benchmarks.svg").write_text(plot.bars(panels))
