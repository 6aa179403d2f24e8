"""The section of docs/BENCHMARKS.md about training steps, from the raw results. Every number in it is one of theirs."""

import statistics

TITLE = "## Training step"
# Above this share of foreign load the figures are a rehearsal.
FOREIGN_SHARE_MAX = 0.03
NAMES = {
    "1": "MK-ResNeXt-50 F, deconv stem", "2": "MK-ResNeXt-50 E", "3": "xse-resnext34, deconv stem",
    "4": "xresnet50, 1000 outputs", "5": "the same, smoothed loss",
}
DIFFERS = [
    "PyTorch's side is written in plain modules as a user would (`benches/peers/training/nets.py`). The same "
    "sums are taken on both sides, but ours orders some of them better: self-attention takes two products over the "
    "positions instead of three, Newton–Schulz leaves out the products by I, system 3's blur and halving are one "
    "convolution.",
    "torch has no Ranger. PyTorch's is ours to write: fastai's arithmetic with `torch._foreach_` operations, as "
    "torch.optim's own optimisers are written (fastai's loops over tensors in Python).",
    "Our side has glibc's allocator keep freed memory, as the program does for itself (`src/library_settings.rs`); "
    "PyTorch's runs as it is installed.",
    "Both start from the same weights and batch (handed over in a file); the losses of the first steps must agree, and "
    "do to the difference in the table.",
    "Memory: the kernel's high-water mark of the resident set while training, less the resident set before the net "
    "was built and after one small convolution had been differentiated, so that neither Python nor libtorch's code is "
    "counted.",
]


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def row(number, result):
    """A system's line of the table."""
    ours, theirs = zip(*result["seconds"])
    ratios = [a / b for a, b in result["seconds"]]
    cpu = statistics.median(a / b for a, b in result["cpu_seconds"])
    low, high = quartiles(ratios)
    memory = "; ".join(f"{rows}: {here / 2**20:,.0f} / {there / 2**20:,.0f} = {here / there:.3f} ×"
                       for rows, (here, there) in sorted(result["memory"].items(), key=lambda item: int(item[0])))
    return (f"| {number} | {NAMES[number]} | {result['parameters']:,} | {statistics.median(ours):.3f} "
            f"| {statistics.median(theirs):.3f} | **{statistics.median(ratios):.3f} ×** ({low:.3f}–{high:.3f}) "
            f"| {cpu:.3f} × | {memory} | {result['loss_difference']:.0e} |")


def section(results):
    """The section's lines."""
    machine = results["machine"]
    lines = [
        TITLE, "",
        "One step (forward, loss, backward, Ranger, the loss read) beside PyTorch eager on the same weights and batch. "
        "Written by `benches/peers/train_step.py`; no number here is typed by hand.", "",
        f"- Machine: {machine['cpu']} ({', '.join(machine['simd'])}), {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['kernel']}; {results['threads']} threads, CPU, float32, "
        f"{results['layout'].replace('_', ' ')}; OMP_WAIT_POLICY {results['omp_wait_policy'] or 'unset'} on both sides.",
        f"- Date: {results['date']}; commit `{results['commit']}`"
        + (" with uncommitted changes" if results["dirty"] else "") + f"; cargo profile {results['profile']}; "
        + ", ".join(results["versions"]) + "; libtorch 2.13.0 on our side.",
        f"- Batches of {results['rows']} images of {results['pixels']} px; {results['pairs']} pairs of runs of "
        f"{results['steps']} steps: one side makes its steps while the other waits, and each begins every second pair. "
        "Shown: medians, and of the ratios the quartiles.",
        f"- Load of others while nothing of this comparison ran: at most {100 * max(results['foreign_share']):.0f} % of "
        "the machine.", ""]
    if max(results["foreign_share"]) > FOREIGN_SHARE_MAX:
        lines += ["> **Not a quiet machine: a rehearsal.** The ratios are uncertain.", ""]
    lines += [
        "| System | Net | Parameters | FastGarden, s | PyTorch, s | Time | CPU time | Memory by batch size: FastGarden / PyTorch, "
        "MiB | First losses differ by |", "|--:|---|--:|--:|--:|--:|--:|---|--:|",
        *[row(number, result) for number, result in results["systems"].items() if result["seconds"]], "",
        *[f"- {text}" for text in DIFFERS], "",
        "```sh", f"python3 benches/peers/train_step.py --pairs {results['pairs']} --steps {results['steps']} "
        f"--cores {','.join(map(str, machine['cores_used']))} --layout {results['layout']} --write", "```", ""]
    return lines


def split(text):
    """A report without this section, which is its last, and the section."""
    before, title, after = text.partition(f"\n{TITLE}\n")
    return before.rstrip("\n") + "\n", title + after


def replace(path, results):
    """Puts the section at the end of the report, in place of the one there."""
    path.write_text(split(path.read_text())[0] + "\n" + "\n".join(section(results)))
