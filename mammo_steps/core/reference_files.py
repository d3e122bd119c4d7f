"""Whether a bundle's numbers can be used: with a shortened list in a file scores or warnings would be silently wrong.

The files: reference.json, calibration.json (`core.reference`), cohort.json (`core.drift`).
"""

from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core.bundle_files import AGAIN, is_number, read_object
from mammo_steps.core.drift import GRID as DRIFT_GRID
from mammo_steps.core.prediction import NETWORKS
from mammo_steps.core.reference import GRID, UNITS, Reference
from mammo_steps.core.terms import Endpoint

_CURVE = ("slope", "intercept")  # numbers of a calibrator; `scores` and `levels` are lists of one length


def checked_reference(scores: Path, calibration: Path) -> Reference:
    """Both files; ValueError, with the key, what was found and wanted, if either is not as it was written."""
    found, how = read_object(scores), read_object(calibration)
    if not _is_list(found.get("at"), len(GRID)) or not np.allclose(found["at"], GRID):
        raise ValueError(f"{scores}: `at` is {_told(found.get('at'))}, wanted 0 to 1 in {len(GRID)}; {AGAIN}")
    for unit in UNITS:
        for network in NETWORKS:
            own = _at(found, "quantiles", unit, network)
            if not _is_list(own, len(GRID)) or (np.diff(own) < 0).any():
                raise ValueError(
                    f"{scores}: `quantiles.{unit}.{network}` is {_told(own)}, wanted {len(GRID):,} finite numbers that "
                    f"do not fall; {AGAIN}"
                )
    for key, check in (("probability_of", _is_probability), ("thresholds", _is_threshold)):
        rows = how.get(key)
        for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
            if not isinstance(row, dict) or not check(row):
                raise ValueError(
                    f"{calibration}: `{key}`, entry {number}, is {_told(row)}, wanted a network, an end point and "
                    f"finite numbers; {AGAIN}"
                )
    return Reference(found, how)


def checked_cohort(path: Path) -> dict[str, Any]:
    """cohort.json; ValueError unless it has the words and the numbers that new images are compared with."""
    found = read_object(path)
    for name, counts in _named(path, found, "words"):
        if not isinstance(counts, dict) or not all(map(is_number, counts.values())):
            raise ValueError(
                f"{path}: `words.{name}` is {_told(counts)}, wanted words with their counts; {AGAIN}"
            )
    machines = found.get("machines")
    for own in (found, *(machines if isinstance(machines, list) else [machines])):
        for name, numbers in _named(path, own, "numbers"):
            quantiles = _at(numbers, "quantiles")
            if not _is_list(quantiles, len(DRIFT_GRID)):
                raise ValueError(
                    f"{path}: `numbers.{name}.quantiles` is {_told(quantiles)}, wanted {len(DRIFT_GRID)} finite "
                    f"numbers; {AGAIN}"
                )
    return found


def _named(path: Path, value: Any, key: str) -> list[tuple[str, Any]]:
    """The entries of an object below `key`; ValueError if there is none."""
    found = _at(value, key)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: `{key}` is {_told(found)}, wanted an object; {AGAIN}")
    return list(found.items())


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _told(value: Any) -> str:
    return f"a list of {len(value):,}" if isinstance(value, list) else f"{value!r}"[:200]


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(map(is_number, value))


def _is_whose(row: dict[str, Any]) -> bool:
    return row.get("network") in NETWORKS and row.get("endpoint") in [str(one) for one in Endpoint]


def _is_probability(row: dict[str, Any]) -> bool:
    own = row.get("calibrator")
    return (
        _is_whose(row)
        and is_number(row.get("prevalence"))
        and 0 < row["prevalence"] < 1
        and is_number(row.get("logit_shift"))
        and isinstance(own, dict)
        and set(own) == {*_CURVE, "scores", "levels", "n_positive", "n_negative"}
        and all(is_number(own[key]) for key in (*_CURVE, "n_positive", "n_negative"))
        and isinstance(own["scores"], list)
        and _is_list(own["scores"], len(own["scores"]))
        and _is_list(own["levels"], len(own["scores"]))
    )


def _is_threshold(row: dict[str, Any]) -> bool:
    return _is_whose(row) and all(is_number(row.get(key)) for key in ("score", "specificity", "sensitivity"))
