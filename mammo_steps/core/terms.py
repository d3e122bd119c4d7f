"""The project's words: closed sets. The tables' columns are in core/columns.py."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of an exam. Each dataset adapter states how it was decided."""

    NORMAL = "normal"
    BENIGN = "benign"
    SCREEN_DETECTED = "screen_detected"
    INTERVAL = "interval"
    PRIOR = "prior"
    UNKNOWN = "unknown"


OLDEST_YEARS = 90  # stands for 90 and above: ages above 89 name people (PS3.15, de-identification)


# a woman's stratum is the first of these that one of her exams has
WORST_FIRST = (
    Outcome.SCREEN_DETECTED,
    Outcome.INTERVAL,
    Outcome.PRIOR,
    Outcome.BENIGN,
    Outcome.NORMAL,
    Outcome.UNKNOWN,
)


class Role(StrEnum):
    """What a fold does with a woman."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Endpoint(StrEnum):
    """What counts as positive in an AUC."""

    SCREEN_DETECTED = "screen_detected"
    SCREEN_DETECTED_OR_INTERVAL = "screen_detected_or_interval"
    INTERVAL = "interval"


class Undefined(StrEnum):
    """Why an adapter calls an exam's outcome unknown."""

    NOT_RECORDED = "not_recorded"  # the source says nothing of this exam's outcome
    NO_PATHOLOGY = "no_pathology"  # suspicious, and no tissue result tells what it was
    NO_FOLLOW_UP = "no_follow_up"  # nothing is known of the time after the exam
    DATES_MISSING = "dates_missing"  # a cancer, and no telling how long after the exam
    DATES_CONTRADICT = "dates_contradict"  # a cancer that was diagnosed before its exam
    OUTSIDE_WINDOWS = "outside_windows"  # a cancer later than the last of `outcome_windows`
    EVENTS_CONTRADICT = "events_contradict"  # entries of the source that exclude each other
    NOT_SCREENING = "not_screening"  # a diagnostic or other exam
    AFTER_SURGERY = "after_surgery"  # an exam of an operated breast


class Reason(StrEnum):
    """Why a file, an image, an exam or a label is not in the cohort; one reason each."""

    # a file, by its header
    NOT_DICOM = "not_dicom"
    UNREADABLE_HEADER = "unreadable_header"
    NO_PIXELS = "no_pixels"
    NOT_MAMMOGRAPHY = "not_mammography"
    MULTI_FRAME = "multi_frame"
    FOR_PROCESSING = "for_processing"
    NOT_GREYSCALE = "not_greyscale"
    MISSING_ID = "missing_id"
    MISSING_LATERALITY = "missing_laterality"
    LATERALITY_CONFLICT = "laterality_conflict"
    MISSING_VIEW = "missing_view"
    VIEW_CONFLICT = "view_conflict"
    OTHER_VIEW = "other_view"
    SPECIAL_VIEW = "special_view"
    PARTIAL_VIEW = "partial_view"
    IMPLANT_DISPLACED = "implant_displaced"
    IMPLANT = "implant"
    SYNTHETIC = "synthetic"
    FOR_PRESENTATION = "for_presentation"
    DUPLICATE_INSTANCE = "duplicate_instance"
    DUPLICATE_CONFLICT = "duplicate_conflict"
    # an image, by its pixels
    FILE_GONE = "file_gone"
    FILE_CHANGED = "file_changed"
    UNDECODABLE = "undecodable"
    CONSTANT_IMAGE = "constant_image"
    NO_BREAST = "no_breast"
    NO_PIXEL_SPACING = "no_pixel_spacing"
    ORIENTATION_CONFLICT = "orientation_conflict"
    # an exam
    INCOMPLETE_EXAM = "incomplete_exam"
    EXTRA_IMAGES = "extra_images"
    NO_LABEL = "no_label"
    OUTCOME_UNKNOWN = "outcome_unknown"
    SHORT_FOLLOW_UP = "short_follow_up"
    AFTER_CANCER = "after_cancer"
    OUTSIDE_AGE_RANGE = "outside_age_range"
    AGE_UNKNOWN = "age_unknown"
    LATERALITY_CONTRADICTS_LABEL = "laterality_contradicts_label"
    PATIENT_CONTRADICTS_LABEL = "patient_contradicts_label"
    LEARNED_BY_BUNDLE = "learned_by_bundle"
    # a label
    NO_EXAM = "no_exam"


LATERALITIES = ("L", "R")
CLASSES = ("negative", "positive")  # order of a network's two output nodes; margin = positive - negative
VENDORS = ("siemens", "hologic", "ge", "fuji", "philips", "planmed", "sectra", "ims", "other")
