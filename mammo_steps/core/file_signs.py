"""What is not opened: what is not there, pickles, the archive's DICOM files, the key of the pseudonyms."""

import stat
import zipfile
from pathlib import Path

_PICKLES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".p", ".joblib"}
_KEY = "id_key"


def refused(path: Path) -> str | None:
    """Why a path is not opened, in a sentence; None if it may be."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            next(path.iterdir(), None)
            return None
        if not stat.S_ISREG(mode):
            return f"{path} is neither a file nor a folder"
        if path.name == _KEY:
            return f"{path} is the key of the pseudonyms: it is secret and not opened"
        if path.stat().st_size == 0:
            return f"{path} is empty: it has no bytes"
        return _by_beginning(path)
    except FileNotFoundError:
        return f"{path} is not there"
    except NotADirectoryError:
        return f"{path} is not there: a part of its path is a file"
    except PermissionError:
        return f"{path}: you have no right to read it"
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte
        shown = str(path) if str(path).isprintable() else ascii(str(path))
        return f"{shown} cannot be read ({getattr(error, 'strerror', None) or error})"


def _by_beginning(path: Path) -> str | None:
    """By the first bytes, or the ending of the name."""
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom"):
        return f"{path} is a DICOM file, raw data of the archive: it is not opened here, since it holds identities"
    if path.suffix.lower() in _PICKLES or _is_pickle(path, head):
        return (
            f"{path} holds Python objects (a pickle, as torch.save writes): reading one can run code, so it is never "
            "opened here. The workflow's own weights are safetensors files"
        )
    return None


def _is_pickle(path: Path, head: bytes) -> bool:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        # a safetensors file begins with a length, which may be the same two bytes
        return path.suffix != ".safetensors"
    if head[:2] == b"PK":
        try:
            with zipfile.ZipFile(path) as parts:
                return any(name.endswith("data.pkl") for name in parts.namelist())
        except (zipfile.BadZipFile, NotImplementedError):
            return False
    return False
