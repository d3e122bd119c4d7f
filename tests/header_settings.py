"""Header settings as in config/config.yaml."""

from typing import Any

from mammo_steps.core.dicom_headers import HeaderSettings


def header_settings(**changes: Any) -> HeaderSettings:
    strict = dict.fromkeys(("accept_ml_as_mlo", "accept_synthetic", "accept_secondary_capture"), False)
    return HeaderSettings(**{"exam_id_field": "StudyInstanceUID", **strict, **changes})
