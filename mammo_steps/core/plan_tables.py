"""The plan of a study as text: Markdown tables of what each rule costs, writes and opens, and what that adds up to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mammo_steps.core import cost_figures as figures
from mammo_steps.core.job_limits import JobLimits, limits_from
from mammo_steps.core.network_costs import images_per_s, n_gpus
from mammo_steps.core.rule_cost import DROPPABLE, TEMPORARY, Artefact, RuleCost
from mammo_steps.core.study_size import StudySize, fold_size, images_per_exam, suggested_intakes

Costs = Sequence[RuleCost]


@dataclass(frozen=True)
class AtHand:
    """What the jobs share: GPUs, CPU cores, and how many jobs may be in the queue at once."""

    n_gpus: int
    n_cores: int
    n_jobs: int

    def at_once(self, cost: RuleCost) -> int:
        """How many jobs of a rule run side by side."""
        slots = min(self.n_jobs, self.n_cores // cost.cores)
        return min(slots, self.n_gpus // cost.gpus) if cost.gpus else slots


def plan_text(
    config: Mapping[str, Any], size: StudySize, costs: Mapping[str, RuleCost], at_hand: AtHand
) -> str:
    """All of it.

    costs    of every rule, in their order
    at_hand  for the wall time
    """
    run = [cost for cost in costs.values() if cost.n_jobs]
    limits = limits_from(config, costs)
    parts = [
        _heading(config, size),
        "Jobs. Wall time, memory and limits are of one job; the limits are those of its first attempt.\n\n"
        + _jobs(run, limits),
        "Files, below results/<study>. Droppable: nothing reads them once the study is done.\n\n"
        + _files(run),
        "Files per folder.\n\n" + _folders(run),
        "Files opened and created, on a network's file system each an operation or more of its metadata server.\n\n"
        + _metadata(run),
        _wall_time(run, at_hand),
        _intakes(config, size),
    ]
    return "\n\n".join(parts)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, columns padded; all but the first to the right, where they hold numbers."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    right = [
        column > 0 and all(not row[column] or row[column][0].isdigit() for row in table[1:])
        for column in range(len(head))
    ]
    lines = [
        "| "
        + " | ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        + " |"
        for row in table
    ]
    rule = (
        "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def count(number: float) -> str:
    """A whole number with commas."""
    return f"{math.ceil(number - 1e-6):,}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `5.2 h` or `3.1 days`."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 48 * 3600)):
        if seconds < most:
            value = seconds / length
            return f"{value:.1f} {unit}" if unit == "h" else f"{math.ceil(value)} {unit}"
    return f"{seconds / 86400:.1f} days"


def size_text(n_bytes: float) -> str:
    """Decimal units: `3.2 GB`."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{math.ceil(n_bytes / 1e3)} kB"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours < 100 else count(hours)


def _heading(config: Mapping[str, Any], size: StudySize) -> str:
    fold, compute, plan = fold_size(config, size), config["compute"], config["plan"]
    network = config["train_holistic"]["network"]["backbone"]
    epoch = fold.epoch(config["train_holistic"]["fit"])
    threads = compute["torch_threads"]
    device = f"one GPU of kind {plan['gpu']}" if n_gpus(config, False) else f"{threads} CPU thread(s)"
    rates = [
        f"{what} {images_per_s(config, what):.3g}"
        + (" (given)" if plan[f"{what}_images_per_s"] is not None else " (derived)")
        for what in ("training", "scoring", "saliency")
    ]
    told = (
        "The speed of this kind of GPU is not measured but derived: time a short run, and put your own into `plan`."
        if n_gpus(config, False) and plan["gpu"] != "h200" and "derived" in "".join(rates)
        else ""
    )
    return "\n".join(
        line
        for line in (
            f"Study `{config['study']}`: {count(size.n_exams)} exams, {count(size.n_images)} images, "
            f"{count(size.n_shards)} shards, {size.n_folds} folds, {size.n_networks} networks of each model.",
            f"Of these {count(size.n_positives)} images are positive. A fold tests {count(fold.test)}, validates by "
            f"{count(fold.validation)} and trains on {count(fold.positives)} positive images; an epoch has "
            f"{count(epoch)}; {count(fold.located)} get a COA and a ROI.",
            f"{network} at {config['train_holistic']['fit']['input_px']} pixels on {device}, images per second: "
            f"{', '.join(rates)}.",
            told,
        )
        if line
    )


def _jobs(costs: Costs, limits: Mapping[str, JobLimits]) -> str:
    rows = [
        (
            cost.rule,
            count(cost.n_jobs),
            duration(cost.wall_s),
            str(cost.cores),
            str(cost.gpus or ""),
            count(cost.memory_mb),
            f"{limits[cost.rule].mem_mb(1):,}",
            f"{limits[cost.rule].runtime(1):,}",
            _hours(cost.gpu_hours) if cost.gpus else "",
            _hours(cost.core_hours),
            cost.partition,
        )
        for cost in costs
    ]
    total = [""] * 11
    total[0], total[1] = "total", count(sum(cost.n_jobs for cost in costs))
    total[8] = _hours(sum(cost.gpu_hours for cost in costs))
    total[9] = _hours(sum(cost.core_hours for cost in costs))
    head = ("rule", "jobs", "wall time", "cores", "GPUs", "MB", "mem_mb", "runtime (min)")
    return markdown((*head, "GPU-hours", "core-hours", "partition"), [*rows, total])


def _files(costs: Costs) -> str:
    rows = [
        (f"{a.folder}/{a.name}", count(a.n_files), size_text(a.bytes), a.fate, a.again)
        for cost in costs
        for a in cost.artefacts
    ]
    written = [a for cost in costs for a in cost.artefacts]
    for fate, told in ((DROPPABLE, "of that droppable"), (TEMPORARY, "of that temporary")):
        of_fate = [a for a in written if a.fate == fate]
        rows.append((told, *_sum(of_fate), "", ""))
    rows.insert(len(rows) - 2, ("total", *_sum(written), "", ""))
    return markdown(("files", "number", "bytes", "fate", "again by"), rows)


def _sum(artefacts: Sequence[Artefact]) -> tuple[str, str]:
    return count(sum(a.n_files for a in artefacts)), size_text(sum(a.bytes for a in artefacts))


def _folders(costs: Costs) -> str:
    """Folders with their files; the fullest of logs, and snakemake's own, with a record for each file written."""
    found: dict[str, tuple[int, int]] = {}
    n_records = 0
    for cost in costs:
        for a in cost.artefacts:
            n_folders, n_files = found.get(a.folder, (a.n_folders, 0))
            found[a.folder] = (n_folders, n_files + a.n_files)
            n_records += a.n_files if a.fate != TEMPORARY else 0
    most = max(costs, key=lambda cost: cost.n_jobs)
    found[f"logs/{most.rule}"] = (1, most.n_jobs)
    found[".snakemake/metadata (working folder)"] = (1, n_records)
    rows = [(name, count(n), count(files / n)) for name, (n, files) in found.items()]
    return markdown(("folder", "folders", "files in each"), rows)


def opened_by_program(cost: RuleCost) -> int:
    """Files of the environment that a cluster's job opens: the step's, and two snakemake processes'."""
    return figures.SNAKEMAKE_OPENS + (figures.TORCH_OPENS if cost.torch else figures.STEP_OPENS)


def _metadata(costs: Costs) -> str:
    rows = [
        (
            cost.rule,
            count(cost.n_jobs * cost.n_opened),
            count(cost.n_jobs * opened_by_program(cost)),
            count(cost.n_written),
        )
        for cost in costs
    ]
    sums = [sum(int(row[column].replace(",", "")) for row in rows) for column in (1, 2, 3)]
    head = ("rule", "data files opened", "opened of the environment", "created, with logs")
    return markdown(head, [*rows, ("total", *map(count, sums))])


def _wall_time(costs: Costs, at_hand: AtHand) -> str:
    """Stage after stage, each on all that is at hand."""
    seconds = 0.0
    for cost in costs:
        slots = at_hand.at_once(cost)
        if slots < 1:
            wanted = f"{cost.cores} cores" + (f" and {cost.gpus} GPU(s)" if cost.gpus else "")
            there = f"{at_hand.n_cores} cores and {at_hand.n_gpus} GPU(s)"
            return f"Wall time: {cost.rule} wants {wanted}; there are {there}."
        seconds += math.ceil(cost.n_jobs / slots) * cost.wall_s
    alone = sum(cost.wall_s for cost in costs)
    return (
        f"Wall time with {at_hand.n_gpus} GPU(s), {count(at_hand.n_cores)} cores and {count(at_hand.n_jobs)} jobs "
        f"at once, one stage after the other and without waiting in a queue: {duration(seconds)}. "
        f"However many there are: {duration(alone)}."
    )


def _intakes(config: Mapping[str, Any], size: StudySize) -> str:
    suggested = suggested_intakes(size.n_images)
    chunks, shards = suggested[0]
    text = (
        f"For an intake of this size: chunks: {chunks}, shards: {shards} (100,000 files and 400 images each)."
    )
    if len(suggested) > 1:
        text = (
            f"An intake has at most 9,999 shards: {len(suggested)} intakes, each chunks: {chunks}, shards: {shards} "
            "(100,000 files and 400 images each)."
        )
    own = sum(intake["shards"] for intake in config["intakes"])
    if own and size.n_images > 500 * own:
        text += f" The config's {own} shards hold {500 * own:,} images at most."
    return (
        text
        + f" An exam counts for {images_per_exam(config)} images; others in the archive need room as well."
    )
