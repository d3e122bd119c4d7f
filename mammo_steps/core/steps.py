"""What every step's command line has in common."""

import json
import logging
import sys
from typing import Any


def start_logging() -> None:
    """Log lines to stderr, where the rule's log catches them."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", force=True
    )


def json_object(text: str) -> dict[str, Any]:
    """argparse type of a flag that takes a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"wanted a JSON object, got {type(value).__name__}")
    return value
