"""Names of what is known of an image when cohorts are compared (`core.image_facts`)."""

WORDS = ("vendor", "model", "photometric", "bits_stored", "size", "intensity", "voi")
GREY = {"grey_p05": 0.05, "grey_p25": 0.25, "grey_p50": 0.5, "grey_p75": 0.75, "grey_p95": 0.95}
NUMBERS = ("pixel_spacing_mm", "age_years", "breast_share", *GREY)
