"""Printing to a reader that may stop reading, as `head` does."""

import os
import sys
from collections.abc import Iterable

READER_GONE = 141  # what a shell says of a program that SIGPIPE ended


def print_lines(lines: Iterable[str]) -> None:
    """Print lines; where nobody reads on, end without a traceback."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still in the buffer goes nowhere at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)
