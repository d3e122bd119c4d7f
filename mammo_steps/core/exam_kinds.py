"""Which exams the gallery shows."""

from enum import StrEnum


class Kind(StrEnum):
    """Why an exam is shown; it is of the first kind that takes it. How they are chosen: `core.exam_choice`."""

    HIGHEST_CANCER = "highest_cancer"
    MISSED_CANCER = "missed_cancer"
    HIGHEST_NORMAL = "highest_normal"
    INTERVAL = "interval"
    MODELS_DISAGREE = "models_disagree"
    MODEL_ABOVE_READERS = "model_above_readers"
    READERS_ABOVE_MODEL = "readers_above_model"
