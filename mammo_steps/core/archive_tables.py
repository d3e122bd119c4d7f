"""What an archive holds, counted from its headers alone: reasons, machines, matrices, encodings, years.

`files` is one row per file: the `index` table with level, slot, size, syntax and narrow beside it.
"""

import pandas as pd

from mammo_steps.core.duplicates import duplicate_reasons
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.reason_texts import REASON_TEXTS
from mammo_steps.core.terms import Reason

MACHINE = ["vendor", "model", "intent", "view", "window", "bits_stored"]
# transfer syntax -> (our short name, whether encoding may have lost detail)
_SYNTAXES = {
    "1.2.840.10008.1.2": ("implicit little endian", False),
    "1.2.840.10008.1.2.1": ("explicit little endian", False),
    "1.2.840.10008.1.2.1.99": ("deflated", False),
    "1.2.840.10008.1.2.2": ("explicit big endian", False),
    "1.2.840.10008.1.2.4.50": ("JPEG baseline", True),
    "1.2.840.10008.1.2.4.51": ("JPEG extended", True),
    "1.2.840.10008.1.2.4.57": ("JPEG lossless", False),
    "1.2.840.10008.1.2.4.70": ("JPEG lossless SV1", False),
    "1.2.840.10008.1.2.4.80": ("JPEG-LS lossless", False),
    "1.2.840.10008.1.2.4.81": ("JPEG-LS near lossless", True),
    "1.2.840.10008.1.2.4.90": ("JPEG 2000 lossless", False),
    "1.2.840.10008.1.2.4.91": ("JPEG 2000", True),
    "1.2.840.10008.1.2.4.201": ("HTJ2K lossless", False),
    "1.2.840.10008.1.2.4.202": ("HTJ2K lossless RPCL", False),
    "1.2.840.10008.1.2.4.203": ("HTJ2K", True),
    "1.2.840.10008.1.2.5": ("RLE", False),
    "pgm": ("PGM film file", False),
}
_NOT_SAID = "not said"


def archive_files(index: pd.DataFrame, expected_width_px: int) -> pd.DataFrame:
    """The indexes of all intakes as `files`, usable pixels assumed.

    expected_width_px  columns of the holistic image: a narrower matrix is enlarged
    Of an image that came with two intakes the second copy is a duplicate.
    """
    files = index.reset_index(drop=True)
    files["reason"] = files["reason"].fillna(duplicate_reasons(files))
    files["level"] = pd.Series("file", files.index).mask(files["reason"].isna(), "image")
    files["slot"] = files["laterality"] + "-" + files["view"]
    height, width = files["height_px"].astype("Int64"), files["width_px"].astype("Int64")
    files["size"] = height.astype("str") + " x " + width.astype("str")
    files["size"] = files["size"].where(width.notna(), None)
    syntax = files["transfer_syntax"].astype("object")
    names = {uid: name for uid, (name, _) in _SYNTAXES.items()}
    files["syntax"] = syntax.map(names).astype("object").fillna("other").where(syntax.notna(), _NOT_SAID)
    files["lossy"] = syntax.isin([uid for uid, (_, lossy) in _SYNTAXES.items() if lossy])
    files["bits_stored"] = files["bits_stored"].astype("Int64")
    files["narrow"] = (files["width_px"] < expected_width_px).fillna(False)
    return files


def taken(files: pd.DataFrame) -> pd.DataFrame:
    return files[files["reason"].isna()]


def reason_table(files: pd.DataFrame) -> pd.DataFrame:
    """reason, files, share, meaning, advice; the most frequent first, after the files that are taken."""
    counts = files["reason"].value_counts()
    rows = [("taken", int(files["reason"].isna().sum()), "A mammogram for this study.", "")]
    rows += [(str(reason), int(n), *REASON_TEXTS[Reason(str(reason))]) for reason, n in counts.items()]
    table = pd.DataFrame(rows, columns=["reason", "files", "meaning", "advice"])
    table.insert(2, "share", table["files"] / max(1, len(files)))
    return table


def detail_table(files: pd.DataFrame) -> pd.DataFrame:
    """reason, what was found, files; for the table beside the page."""
    out = files[files["reason"].notna()]
    counts = out.groupby(["reason", "detail"], dropna=False).size().rename("files").reset_index()
    return counts.sort_values(["reason", "files"], ascending=[True, False], ignore_index=True)


def _counted(files: pd.DataFrame, by: list[str], words: list[str]) -> pd.DataFrame:
    """Rows of `by` with images taken and left out, most frequent first; nulls of `words` become text."""
    files = files.assign(**{name: files[name].astype("object").fillna(_NOT_SAID) for name in words})
    is_taken = files["reason"].isna()
    groups = files.assign(taken=is_taken, left_out=~is_taken).groupby(by, dropna=False, sort=True)
    table = groups[["taken", "left_out"]].sum().reset_index()
    table = table.sort_values(["taken", "left_out"], ascending=False, kind="stable", ignore_index=True)
    return table.astype({"taken": "int64", "left_out": "int64"})


def machine_table(files: pd.DataFrame) -> pd.DataFrame:
    """vendor x model x intent x view x window x bits_stored, of every file whose header names a maker."""
    words = [name for name in MACHINE if name != "bits_stored"]
    return _counted(files[files["vendor"].notna()], MACHINE, words)


def size_table(files: pd.DataFrame, expected_width_px: int, cut: InputCut) -> pd.DataFrame:
    """Matrix x spacing of the images with the resized image's height and the share of rows a crop keeps."""
    known = files[(files["width_px"] > 0) & (files["height_px"] > 0)]
    known = known.assign(spacing_mm=known["pixel_spacing_mm"].round(4))
    table = _counted(known, ["height_px", "width_px", "spacing_mm"], [])
    table = table.astype({"height_px": "int64", "width_px": "int64"})
    height = table["height_px"] * expected_width_px / table["width_px"]
    if cut.mm_per_px is not None:
        height = (table["height_px"] * table["spacing_mm"] / cut.mm_per_px).fillna(height)
    height = height.round().clip(lower=1)
    table["holistic_height_px"] = height.astype("int64")
    table["rows_in_crop"] = (cut.side_px / height).clip(upper=1.0)
    return table


def syntax_table(files: pd.DataFrame) -> pd.DataFrame:
    known = files[files["transfer_syntax"].notna()]
    return _counted(known, ["syntax", "lossy", "photometric"], ["photometric"])


def year_table(files: pd.DataFrame) -> pd.DataFrame:
    """Images, exams and women per calendar year, of the images that are taken; NaN = no date."""
    groups = taken(files).groupby("exam_year", dropna=False)
    table = pd.DataFrame(
        {
            "images": groups.size(),
            "exams": groups["exam_id"].nunique(),
            "women": groups["patient_id"].nunique(),
        }
    )
    return table.reset_index()
