"""What every step's command line has in common."""

import atexit
import functools
import json
import logging
import resource
import sys
import time
from typing import Any


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
    kilobytes = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cost = {"wall_s": round(time.monotonic() - started, 1), "peak_mb": round(kilobytes / 1024)}
    print(f"cost: {json.dumps(cost)}", file=sys.__stderr__)


def json_object(text: str) -> dict[str, Any]:
    """argparse type of a flag that takes a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"wanted a JSON object, got {type(value).__name__}")
    return value
