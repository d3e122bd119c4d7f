"""The one way to leave something out of the cohort."""

from mammo_steps.core.terms import Reason


class ExclusionError(Exception):
    """This file or image cannot be used. `detail` says what was found; it never holds text from a header."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
