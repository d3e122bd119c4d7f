"""Which way up a mammogram lies: what its header says, checked against where the breast is.

Patient Orientation (PS3.3 C.7.6.1.1.1) gives the direction of rows and of columns: R-CC P\\L, R-MLO P\\FL, L-CC
A\\R, L-MLO A\\FR. Field of View Rotation and Horizontal Flip (0018,7032/7034) count from the detector, and how
that is mounted no header tells, so nothing is concluded from them.
"""

from pydicom.dataset import Dataset

from mammo_steps.core.breast import Mask, Side, side_balance

CLEAR_BALANCE = 0.1  # |side balance| of a breast mask; films of 60 women have 0.2 and more
_DIRECTIONS = frozenset("APHFLR")  # anterior, posterior, head, foot, left, right


def _directions(ds: Dataset) -> tuple[str, str]:
    """Directions of rows and of columns, such as ("P", "FL"); "" where the header has none or other text."""
    found = ds.get("PatientOrientation")
    words = [str(word).strip().upper() for word in found] if found and not isinstance(found, str) else []
    known = [word if word and set(word) <= _DIRECTIONS else "" for word in words]
    return (known[0], known[1]) if len(known) == 2 else ("", "")


def header_conflict(ds: Dataset) -> str:
    """What in a header contradicts a mammogram that stands upright; "" if nothing does."""
    rows, columns = _directions(ds)
    if rows and rows[0] not in "AP":
        return "rows run neither to the front nor to the back"
    if columns.startswith("H"):
        return "columns run to the head: the image is upside down"
    return ""


def expected_side(ds: Dataset, laterality: str) -> Side:
    """Where the header has the chest wall: by Patient Orientation (rows run to A or P), else L = left."""
    rows, _ = _directions(ds)
    if rows and rows[0] in "AP":
        return "left" if rows[0] == "A" else "right"
    return "left" if laterality == "L" else "right"


def chest_wall(mask: Mask, expected: Side) -> tuple[Side, str]:
    """(side of the chest wall, how the pixels clearly contradict the header or ""); the pixels are believed."""
    balance = side_balance(mask)
    if abs(balance) < CLEAR_BALANCE:
        return expected, ""
    found: Side = "left" if balance > 0 else "right"
    return found, "" if found == expected else f"the chest wall is on the {found}"
