"""Header settings as in config/config.yaml."""

from typing import Any

from mammo_steps.core.header_choice import HeaderSettings

_ACCEPT = ("accept_ml_as_mlo", "accept_synthetic", "accept_secondary_capture", "accept_partial_views",
           "accept_implant_displaced")  # fmt: skip


def header_settings(**changes: Any) -> HeaderSettings:
    strict = dict.fromkeys(_ACCEPT, False)
    first = {
        "exam_id_field": "StudyInstanceUID",
        "presentation_intent": "FOR PRESENTATION",
        "implants": "keep",
    }
    return HeaderSettings(**{**first, **strict, **changes})
