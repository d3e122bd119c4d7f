"""The unit of a column, by its name: mostly the name's ending says it."""

_ENDINGS = {
    "_area_px": "px^2",
    "_px": "px",
    "_mm": "mm",
    "_s": "s",
    "_bytes": "bytes",
    "_years": "years",
    "_year": "year",
    "_day": "days",
    "_spread": "logit",
    "_percentile": "%",
}
# names that do not end in their unit; px are those of the stored matrix
_NAMES = {
    **dict.fromkeys(("coa_row", "coa_col", "further_coa_rows", "further_coa_cols"), "px"),
    **dict.fromkeys(("breast_row", "breast_col", "patch_rows", "patch_cols"), "px"),
    **dict.fromkeys(("margin", "holistic", "attention", "ensemble", "wu2019_adapted"), "logit"),
    **dict.fromkeys(("bits", "bits_stored"), "bits"),
}


def unit_of(name: str) -> str | None:
    """None for a count, a share, a probability, a word: what has no unit."""
    if name in _NAMES:
        return _NAMES[name]
    return next((unit for ending, unit in _ENDINGS.items() if name.endswith(ending)), None)
