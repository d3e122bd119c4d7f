"""Look at a label table alone, with the eyes of its data set's adapter: faults, or counts per outcome.

Nothing is written, and no id is printed. The outcome windows are those of the config (config.yaml, local.yaml and
config/datasets/<dataset>.yaml) unless given.
"""

import argparse
import importlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mammo_steps.core.labels import CANCERS, ExamLabel, LabelReader, Windows
from mammo_steps.core.steps import json_object
from mammo_steps.core.study import read_config
from mammo_steps.core.terms import Outcome

CONFIG = Path(__file__).resolve().parents[2] / "config"


def config_windows(dataset: str, folder: Path = CONFIG) -> Windows:
    """The outcome windows with which a study of this data set is run."""
    windows: dict[str, Any] = read_config(folder)["outcome_windows"]
    overlay = folder / "datasets" / f"{dataset}.yaml"
    if overlay.is_file():
        windows |= yaml.safe_load(overlay.read_text(encoding="utf-8")).get("outcome_windows", {})
    return Windows(**windows)


def summary(labels: Sequence[ExamLabel]) -> str:
    """Counts of exams per outcome, unknown ones by reason, and what is known beside."""
    lines = [f"{len(labels)} exams of {len({label.patient_id for label in labels})} women"]
    outcomes = Counter(label.outcome for label in labels)
    for outcome in Outcome:
        of_it = [label for label in labels if label.outcome == outcome]
        line = f"  {outcome:16} {outcomes[outcome]:7}"
        if outcome in CANCERS and of_it:
            line += f"   side not known: {sum(label.cancer_laterality is None for label in of_it)}"
        lines.append(line)
        if outcome == Outcome.UNKNOWN:
            reasons = Counter(label.undefined or "so in the table" for label in of_it)
            lines += [f"    {reason:14} {n:7}" for reason, n in sorted(reasons.items())]
    for reader in ("reader_1", "reader_2"):
        scores = [(getattr(x, f"{reader}_left"), getattr(x, f"{reader}_right")) for x in labels]
        lines.append(f"both breasts read by {reader}: {sum(None not in pair for pair in scores)}")
    n_followed = sum(label.follow_up_months is not None for label in labels)
    lines.append(f"follow-up known: {n_followed}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="module of mammo_steps/datasets")
    parser.add_argument("--labels", type=Path, required=True, help="label table, as the adapter wants it")
    parser.add_argument(
        "--windows", type=json_object, help="JSON: outcome_windows; default: those of the config"
    )
    args = parser.parse_args(argv)
    try:
        adapter: LabelReader = importlib.import_module(f"mammo_steps.datasets.{args.dataset}")
        windows = config_windows(args.dataset) if args.windows is None else Windows(**args.windows)
        labels = adapter.read_labels(args.labels, windows)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    print(summary(labels))


if __name__ == "__main__":
    main()
