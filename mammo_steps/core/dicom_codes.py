"""Codes and words by which a DICOM header names a mammographic view (PS3.16 CID 4014, 4015; PS3.3 C.8.11.7).

Codes are matched by value and scheme; text only where a header has no code. What a code's meaning says is in
the language of its writer and is not looked at where the code is known.
"""

import re
from collections.abc import Iterable

MG_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MG_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
BREAST_TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

# Numeric codes are SNOMED CT's: by its designator, or by its object identifier where a writer put that.
_CURRENT_SCHEMES = ("SCT", "2.16.840.1.113883.6.96")
_LEGACY_SCHEMES = ("SRT", "SNM3", "99SDM")  # SNOMED RT, `R-...`; PS3.16 8.1 lists the three as one scheme

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

IMPLANT_DISPLACED = "implant displaced"
UNKNOWN_MODIFIER = "unknown view modifier"

# view modifier: (SNOMED CT, SNOMED RT), CID 4015. Each of them makes the view a special one. R-102D2 has been
# taken for MLO elsewhere: it is the cleavage view.
_MODIFIERS = {
    "cleavage": ("399161006", "R-102D2"),
    "axillary tail": ("399011000", "R-102D1"),
    "rolled lateral": ("399197002", "R-102D3"),
    "rolled medial": ("399226006", "R-102D4"),
    "rolled inferior": ("414493004", "R-102CA"),
    "rolled superior": ("415670009", "R-102C9"),
    IMPLANT_DISPLACED: ("399209000", "R-102D5"),
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
        table.update({(scheme, current): name for scheme in _CURRENT_SCHEMES})
        table.update({(scheme, legacy): name for scheme in _LEGACY_SCHEMES})
    return table


VIEW_OF_CODE = _by_code(_VIEWS)
MODIFIER_OF_CODE = _by_code(_MODIFIERS)

# View Position (0018,5101): words that name a view other than CC and MLO
_OTHER_POSITIONS = (set(_VIEWS) - {"CC", "MLO"}) | {"XCC", "AT", "CV", "RL", "RM", "TAN", "AXILLA", "AX"}
VIEW_WORDS = set(_VIEWS) | _OTHER_POSITIONS
_POSITION = re.compile(r"(?:[LR][ _-]?)?(CC|MLO)([ _-]?ID)?")

_VIEW_WORDS = {  # an ID behind a view: implant displaced
    "MLO": re.compile(r"\b(?:[LR]\s?)?MLO(?:\s?ID)?\b|MEDIO-?\s?LATERAL OBLIQUE"),
    "CC": re.compile(r"\b(?:[LR]\s?)?CC(?:\s?ID)?\b|CRANIO-?\s?CAUDAL"),
}
_SIDE_WORDS = {
    "L": re.compile(r"\bL(?:EFT)?[\s-]?(?:CC|MLO)(?:\s?ID)?\b"),
    "R": re.compile(r"\bR(?:IGHT)?[\s-]?(?:CC|MLO)(?:\s?ID)?\b"),
}
_DISPLACED_WORDS = re.compile(
    r"\b(?:[LR]\s?)?(?:CC|MLO)[\s-]?ID\b|\bID[\s-](?:[LR]\s?)?(?:CC|MLO)\b|IMPLANT[\s-]*DISPLAC|\bEKLUND"
)
_SYNTHETIC_WORDS = re.compile(
    r"\b(?:C-?\s?VIEW|S-?\s?VIEW|V-?PREVIEW|INTELLIGENT\s*2D|INSIGHT\s*2D|GENERATED\s*2D|SYNTHE(?:TIC|SI[SZ]ED))"
)
_SPECIAL_WORDS = re.compile(
    r"\b(?:SPOT|MAGNIF\w*|MAG|TANGENTIAL|SPECIMEN|BIOPSY|STEREO\w*|WIRE|CLIP|GALACTOGRA\w*)\b"
)
# A picture with the marks of computer-aided detection; not the `W/CAD` in the names of ordinary examinations
_CAD_WORDS = re.compile(r"(?:^|\| )(?:I|R2\s?)?CAD\b|\bCAD[\s-](?:MARK|OVERLAY|RESULT|OUTPUT|FINDING)")
_SPECIAL_IMAGE_TYPE = re.compile(r"^(?:STEREO|PREFIRE|POSTFIRE|POSTBIOPSY|POSTMARKER|TOMO_PROJ|CAD)|SPECIMEN")
_SPECIAL_PADDLE = re.compile(r"SPOT|SPT|(?<!I)MAG|BIOPSY|STEREO|LOCALI[SZ]|PERFOR|NEEDLE")


def named(table: dict[tuple[str, str], str], codes: Iterable[tuple[str, str]]) -> set[str]:
    """The names of those codes (scheme, value) that the table knows."""
    return {table[code] for code in codes if code in table}


def view_of_position(position: str) -> tuple[str, bool]:
    """(view, implant displaced) that ViewPosition names, such as `CC`, `LMLO`, `RCCID`; "" = no known word."""
    if position in _OTHER_POSITIONS:
        return position, False
    found = _POSITION.fullmatch(position)
    return (found[1], found[2] is not None) if found else ("", False)


def _only(words: dict[str, re.Pattern[str]], text: str) -> str:
    found = [name for name, pattern in words.items() if pattern.search(text)]
    return found[0] if len(found) == 1 else ""


# Texts below are upper case, with spaces for underscores and ` | ` between elements.


def view_in_text(text: str) -> str:
    """CC or MLO if exactly one of them is named, else nothing."""
    return _only(_VIEW_WORDS, text)


def laterality_in_text(text: str) -> str:
    """L or R if the text names one side together with a view (`R CC`, `LMLO`), else nothing."""
    return _only(_SIDE_WORDS, text)


def is_displaced_in_text(text: str) -> bool:
    return _DISPLACED_WORDS.search(text) is not None


def is_synthetic(image_type: Iterable[str], text: str) -> bool:
    """Whether the image was computed from tomosynthesis."""
    return any("GENERATED_2D" in word for word in image_type) or _SYNTHETIC_WORDS.search(text) is not None


def special_finding(image_type: Iterable[str], paddle: str, text: str, has_codes: bool) -> str:
    """Which element marks a spot, magnification, biopsy or specimen image or CAD's marks; "" = none does.

    has_codes  the view is coded: words about the examination (`after biopsy`) then say nothing about the view
    """
    if any(_SPECIAL_IMAGE_TYPE.search(word) for word in image_type):
        return "ImageType"
    if _SPECIAL_PADDLE.search(paddle):
        return "PaddleDescription"
    if _CAD_WORDS.search(text) or (not has_codes and _SPECIAL_WORDS.search(text)):
        return "SeriesDescription"
    return ""
