"""Counter-based randomness: a stream depends on what it is for, never on who draws it or in which order."""

import hashlib

import numpy as np


def stream(*key: str | int) -> np.random.Generator:
    """A generator of its own for this key, such as ("augment", seed, fold, epoch, image_id)."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(key)[:16], "little")))


def seed_of(*key: str | int) -> int:
    """A seed of its own for this key, for generators that are not ours (0 .. 2^63 - 1)."""
    return int.from_bytes(_digest(key)[:8], "little") >> 1


def _digest(key: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256("|".join(str(part) for part in key).encode()).digest()


def ordered(ids: list[str], *key: str | int) -> list[str]:
    """The ids in a random order that is the same whatever order they came in."""
    prefix = "|".join(str(part) for part in key)
    return sorted(ids, key=lambda name: hashlib.sha256(f"{prefix}|{name}".encode()).digest())
