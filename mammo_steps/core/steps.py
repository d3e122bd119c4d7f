"""What every step's command line has in common."""

import atexit
import functools
import json
import logging
import sys
import time
from importlib.machinery import ModuleSpec
from typing import Any

from mammo_steps.core.artefacts import begin, peak_mb


def start_step(module: ModuleSpec, flags: object) -> None:
    """Begin a step: log lines, and what the manifests of its results say of it.

    module  the step's own `__spec__`, under whatever name it was started
    flags   what argparse made of its command line
    """
    start_logging()
    begin(module.name.rpartition(".")[2], vars(flags))


def start_logging() -> None:
    """Log lines to stderr, where the rule's log catches them; the last one says what the step cost."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", force=True
    )
    _log_cost_at_exit()


@functools.cache  # once per process, however many steps a test runs in it
def _log_cost_at_exit() -> None:
    atexit.register(_print_cost, time.monotonic())


def _print_cost(started: float) -> None:
    """One line `cost: {...}` with wall time and the peak memory of the largest process."""
    cost = {"wall_s": round(time.monotonic() - started, 1), "peak_mb": peak_mb()}
    print(f"cost: {json.dumps(cost)}", file=sys.__stderr__)


def json_object(text: str) -> dict[str, Any]:
    """argparse type of a flag that takes a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"wanted a JSON object, got {type(value).__name__}")
    return value
