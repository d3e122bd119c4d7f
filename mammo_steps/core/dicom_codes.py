"""Codes and words by which a DICOM header names a mammographic view (PS3.16 CID 4014, 4015; PS3.3 C.8.11.7).

Codes are matched by value and scheme; text only where a header has no code.
"""

import re
from collections.abc import Iterator

from pydicom.dataset import Dataset

MG_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MG_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
BREAST_TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_LEGACY_SCHEMES = ("SRT", "SNM3", "99SDM")  # SNOMED RT codes; SCT = SNOMED CT, numeric codes

# view: (SNOMED CT, SNOMED RT), CID 4014
_VIEWS = {
    "ML": ("399260004", "R-10224"),
    "MLO": ("399368009", "R-10226"),
    "LM": ("399352003", "R-10228"),
    "LMO": ("399099002", "R-10230"),
    "CC": ("399162004", "R-10242"),
    "FB": ("399196006", "R-10244"),
    "SIO": ("399188001", "R-102D0"),
    "ISO": ("441555000", "R-40AAA"),
    "XCCL": ("399192008", "R-1024A"),
    "XCCM": ("399101009", "R-1024B"),
    "SPECIMEN": ("127457009", "G-8310"),
}

# view modifier: (SNOMED CT, SNOMED RT), CID 4015. Each of them makes the view a special one.
_MODIFIERS = {
    "cleavage": ("399161006", "R-102D2"),
    "axillary tail": ("399011000", "R-102D1"),
    "rolled lateral": ("399197002", "R-102D3"),
    "rolled medial": ("399226006", "R-102D4"),
    "rolled inferior": ("414493004", "R-102CA"),
    "rolled superior": ("415670009", "R-102C9"),
    "implant displaced": ("399209000", "R-102D5"),
    "magnification": ("399163009", "R-102D6"),
    "spot compression": ("399055006", "R-102D7"),
    "tangential": ("399110001", "R-102C2"),
    "nipple in profile": ("442581004", "R-40AB3"),
    "anterior compression": ("441752004", "P2-00161"),
    "infra-mammary fold": ("442593008", "R-40ABE"),
    "axillary tissue": ("442580003", "R-40AB2"),
}


def _by_code(names: dict[str, tuple[str, str]]) -> dict[tuple[str, str], str]:
    table = {}
    for name, (current, legacy) in names.items():
        table["SCT", current] = name
        table.update({(scheme, legacy): name for scheme in _LEGACY_SCHEMES})
    return table


VIEW_OF_CODE = _by_code(_VIEWS)
MODIFIER_OF_CODE = _by_code(_MODIFIERS)

# View Position (0018,5101): words that name a view other than CC and MLO
OTHER_POSITIONS = (set(_VIEWS) - {"CC", "MLO"}) | {"XCC", "AT", "CV", "RL", "RM", "TAN", "AXILLA", "AX"}

_VIEW_WORDS = {
    "MLO": re.compile(r"\b(?:[LR]\s?)?MLO\b|medio-?\s?lateral oblique", re.IGNORECASE),
    "CC": re.compile(r"\b(?:[LR]\s?)?CC\b|cranio-?\s?caudal", re.IGNORECASE),
}
_SIDE_WORDS = {
    "L": re.compile(r"\bL(?:EFT)?[\s_-]?(?:CC|MLO)\b", re.IGNORECASE),
    "R": re.compile(r"\bR(?:IGHT)?[\s_-]?(?:CC|MLO)\b", re.IGNORECASE),
}
_SYNTHETIC = re.compile(
    r"\b(?:c-?view|s-?view|v-?preview|intelligent\s*2d|insight\s*2d|generated[\s_]*2d|synthe(?:tic|si[sz]ed))",
    re.IGNORECASE,
)
_SPECIAL_WORDS = re.compile(
    r"\b(?:spot|magnif\w*|mag|tangential|specimen|biopsy|stereo\w*|wire|clip|galactogra\w*)\b", re.IGNORECASE
)
_SPECIAL_IMAGE_TYPE = re.compile(r"STEREO_|PREFIRE_|POSTFIRE_|POSTBIOPSY|POSTMARKER|SPECIMEN|^CAD")
_SPECIAL_PADDLE = re.compile(r"SPOT|SPT|MAG|BIOPSY", re.IGNORECASE)


def codes(items: list[Dataset]) -> Iterator[tuple[str, str]]:
    """(scheme, value) of each item of a code sequence, empty strings where missing."""
    for item in items:
        yield (
            str(item.get("CodingSchemeDesignator") or "").strip().upper(),
            str(item.get("CodeValue") or "").strip().upper(),
        )


def _only(words: dict[str, re.Pattern[str]], text: str) -> str | None:
    found = [name for name, pattern in words.items() if pattern.search(text)]
    return found[0] if len(found) == 1 else None


def view_in_text(text: str) -> str | None:
    """CC or MLO if exactly one of them is named."""
    return _only(_VIEW_WORDS, text)


def laterality_in_text(text: str) -> str | None:
    """L or R if the text names one side together with a view (`R CC`, `LMLO`)."""
    return _only(_SIDE_WORDS, text)


def is_synthetic(image_type: list[str], text: str) -> bool:
    """Whether the image was computed from tomosynthesis."""
    return any("GENERATED_2D" in word.upper() for word in image_type) or bool(_SYNTHETIC.search(text))


def special_finding(image_type: list[str], paddle: str, text: str) -> str | None:
    """Which header element marks a spot, magnification, biopsy or specimen image, None if none does."""
    if any(_SPECIAL_IMAGE_TYPE.search(word.upper()) for word in image_type):
        return "ImageType"
    if _SPECIAL_PADDLE.search(paddle):
        return "PaddleDescription"
    if _SPECIAL_WORDS.search(text):
        return "SeriesDescription"
    return None
