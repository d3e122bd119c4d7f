"""Pseudonyms: keyed hashes of the archive's ids (HMAC-SHA-256), and the key they need."""

import hmac
import secrets
from datetime import date
from pathlib import Path

from mammo_steps.core.files import write_new

_KEY_DIGITS = 16  # characters that a key has at least
_MODEL_DIGITS = 4
_HEX_DIGITS = 20  # 80 bits: among 10 million ids a collision has probability 4e-11


class Pseudonyms:
    """Turns the archive's ids into hashes that mean nothing without the key."""

    def __init__(self, key: str) -> None:
        if len(key) < _KEY_DIGITS:
            raise ValueError(f"the id key has {len(key)} characters, at least {_KEY_DIGITS} are wanted")
        self._key = key.encode()

    def _hash(self, kind: str, text: str) -> str:
        return hmac.digest(self._key, f"{kind}|{text}".encode(), "sha256").hex()

    def patient(self, patient_id: str) -> str:
        return "p" + self._hash("patient", patient_id.strip())[:_HEX_DIGITS]

    def exam(self, exam_id: str) -> str:
        return "e" + self._hash("exam", exam_id.strip())[:_HEX_DIGITS]

    def image(self, image_id: str) -> str:
        return "i" + self._hash("image", image_id.strip())[:_HEX_DIGITS]

    def file(self, relative_path: str) -> str:
        return "f" + self._hash("file", relative_path)[:_HEX_DIGITS]

    def model(self, model_name: str) -> str:
        """For a machine's model that is in no list of ours: told from others, and no more said of it."""
        return "other:" + self._hash("model", model_name)[:_MODEL_DIGITS]

    def day(self, patient_id: str, day: date) -> int:
        """Days from this woman's secret day zero: differences are true, dates are not recoverable."""
        shift = int(self._hash("day", patient_id.strip())[:8], 16) % 36525
        return day.toordinal() - date(1950, 1, 1).toordinal() + shift


def key_tag(key: str) -> str:
    """16 hex digits that are the same wherever the key is, and lead nobody back to it."""
    return hmac.digest(key.encode(), b"key tag", "sha256").hex()[:16]


def read_key(path: Path) -> str:
    """The key in `path`; FileNotFoundError says what to do, ValueError that it is no whole key."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: it is the key that turned the archive's ids into pseudonyms. "
            "Put the file back from your backup; without it results cannot be continued or translated."
        )
    remedy = "Put the file back from your backup; if nothing was made with it yet, remove it: the next start makes one"
    try:
        key = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no key: wanted one line of text. {remedy}") from None
    if len(key) < _KEY_DIGITS:
        raise ValueError(
            f"{path} is no whole key: it has {len(key)} characters, at least {_KEY_DIGITS} are wanted. {remedy}"
        )
    return key


def make_key(path: Path) -> None:
    """Make a new key, readable by its owner alone; an existing one is left as it is, ValueError if it is not whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        write_new(path, secrets.token_hex(32) + "\n")
    read_key(path)
