"""A process reads a checkout's files once; a test that edits them has to have them read again."""

from mammo_steps.core import fingerprint

# of a module's text, whatever file it lies in
_BY_TEXT = {"_parsed"}


def forget() -> None:
    """All that was read from files so far."""
    for name, cached in vars(fingerprint).items():
        if name not in _BY_TEXT and hasattr(cached, "cache_clear"):
            cached.cache_clear()
