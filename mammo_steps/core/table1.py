"""Table 1 of the paper, filled with our AUCs beside its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from mammo_steps.core.exam_aucs import NOT_RUN, AucRow
from mammo_steps.core.exam_models import Model
from mammo_steps.core.terms import Endpoint

# Dahl et al. 2022, Table 1: AUC of (a) and (b). The third number is not in the paper: it is what (a), (b)
# and the numbers of exams imply for interval cancers against exams without cancer.
PAPER = {
    "holistic": (0.913, 0.866, 0.718),
    "attention": (0.932, 0.883, 0.729),
    "ensemble": (0.940, 0.891, 0.737),
    "wu2019": (0.833, 0.784, 0.630),
    "wu2019_adapted": (0.861, 0.819, 0.687),
    "one_reader": (0.930, 0.836, 0.540),
    "two_readers": (0.987, 0.886, 0.568),
}
ENDPOINT_NAMES = {
    Endpoint.SCREEN_DETECTED: "(a) screen-detected vs the rest",
    Endpoint.SCREEN_DETECTED_OR_INTERVAL: "(b) screen-detected or interval vs the rest",
    Endpoint.INTERVAL: "interval vs no cancer",
}
VARIANTS = (("all", "pooled"), ("all", "fold_mean"), ("sampled", "pooled"), ("sampled", "fold_mean"))
VARIANT_NAMES = {
    ("all", "pooled"): "all exams, folds pooled",
    ("all", "fold_mean"): "all exams, mean over folds",
    ("sampled", "pooled"): "sampled, folds pooled",
    ("sampled", "fold_mean"): "sampled, mean over folds",
}
SYNTHETIC = (
    "The images, outcomes and reader scores were drawn by a program. These numbers say "
    "that the software runs; they say nothing about any model's or reader's ability with real mammograms."
)
_DIGITS = 6  # after the point, in auc.csv
NOTES = (
    "Sampled: all positives of the end point and as many of its negatives as the setting says (5,000 in the "
    "paper); equal to all exams where there are no more than that.",
    "Intervals are 95 % and ignore the variance of training the networks again; how each was made stands in "
    "auc.csv, column ci_method.",
    "One reader: the mean of the readers' AUCs, its variance by a bootstrap of women. Two readers: exams "
    "read by both. Readers' scores led to the work-up that found the screen-detected cancers, so (a) favours "
    "the readers by design.",
    "The paper does not say whether it pooled its folds or averaged over them; margins of different folds "
    "are not on one scale.",
    "The paper does not print its column for interval cancers: it is implied by its other two.",
)


def cell(row: AucRow) -> str:
    """AUC, interval and n of one row."""
    if row.ci_method == NOT_RUN:
        return row.why.partition(":")[0]
    n = f"n {row.n_positive:,}/{row.n_negative:,}"
    if row.auc is None or row.ci_low is None or row.ci_high is None:
        return f"not estimable, {n}"
    value, low, high = (
        round(figure, _DIGITS) for figure in (row.auc, row.ci_low, row.ci_high)
    )  # as in auc.csv
    return f"{value:.3f} ({low:.3f}\N{EN DASH}{high:.3f}), {n}"


def _one_line(text: str) -> str:
    """Text that ends neither its line nor its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_one_line, line)) + " |" for line in lines)


def partial_words(partial: Mapping[str, Any]) -> str:
    """Which folds stand behind figures that are of some alone."""
    folds = [str(fold) for fold in partial["folds"]]
    return f"{'Fold' if len(folds) == 1 else 'Folds'} {', '.join(folds)} of {partial['of']} alone."


def table1_markdown(
    rows: Sequence[AucRow], models: Sequence[Model], synthetic: bool, partial: Mapping[str, Any] | None
) -> str:
    """The text of table1.md. partial: `folds` that stand behind it, `of` how many; None = all of them."""
    found = {(row.model, row.endpoint, row.protocol, row.pooling): row for row in rows}
    endpoints, names = list(Endpoint), {model.key: model.name for model in models}
    header = ["model"]
    for endpoint in endpoints:
        header += [ENDPOINT_NAMES[endpoint], "paper"]
    main = []
    for model in models:
        line = [model.name + ("*" if model.note else "")]
        for place, endpoint in enumerate(endpoints):
            paper = f"{PAPER[model.key][place]:.3f}" if model.key in PAPER else ""
            line += [cell(found[model.key, endpoint, "sampled", "pooled"]), paper]
        main.append(line)
    variants = [
        [model.name, ENDPOINT_NAMES[endpoint]]
        + [cell(found[model.key, endpoint, *variant]) for variant in VARIANTS]
        for endpoint in endpoints
        for model in models
        if not model.not_run
    ]
    missing = [
        f"- {names[row.model]}, {ENDPOINT_NAMES[Endpoint(row.endpoint)]}, "
        f"{VARIANT_NAMES[row.protocol, row.pooling]}: {row.why}"
        for row in rows
        if row.why and row.ci_method != NOT_RUN
    ]
    marked = [
        _one_line(f"- {model.name}: {text}") for model in models if (text := model.note or model.not_run)
    ]
    parts = [
        "# Table 1: AUC per exam, with 95 % interval and n positive/negative",
        *([f"**Synthetic data.** {SYNTHETIC}"] if synthetic else []),
        *([f"**Partial.** {partial_words(partial)}"] if partial else []),
        "Sampled protocol, folds pooled, beside the paper's figures (Dahl et al. 2022).",
        _markdown_table(header, main),
        "## Pooled and mean over folds, all exams and sampled",
        _markdown_table(
            ["model", "end point", *(VARIANT_NAMES[variant] for variant in VARIANTS)],
            variants,
        ),
        *(["## Not estimable", "\n".join(missing)] if missing else []),
        "## Notes",
        "\n".join([*marked, *(f"- {note}" for note in NOTES)]),
    ]
    return "\n\n".join(parts) + "\n"
