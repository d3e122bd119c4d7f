"""Whether a config is as its schema says; every fault by its key."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

from mammo_steps.core.study import StudyError


def check_schema(config: Mapping[str, Any], schema: Path) -> None:
    """StudyError with every fault of the config, by key, if it is not as the schema says."""
    rules = yaml.safe_load(schema.read_text(encoding="utf-8"))
    faults = validator_for(rules)(rules).iter_errors(config)
    told = [
        _fault_text(fault) for fault in sorted(faults, key=lambda fault: list(map(str, fault.absolute_path)))
    ]
    if told:
        more = f"\n  and {len(told) - 10} more" if len(told) > 10 else ""
        raise StudyError(
            "the config is wrong, nothing was run:\n  "
            + "\n  ".join(told[:10])
            + more
            + f"\nWhat each key means says {schema.name} in workflow/schemas"
        )


def _fault_text(fault: ValidationError) -> str:
    key = ".".join(map(str, fault.absolute_path))
    if fault.validator != "additionalProperties":
        return f"config key `{key}`: {fault.message}"
    known = list(fault.schema.get("properties", ()))
    names = []
    for name in sorted(set(fault.instance) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        names.append(f"`{key}.{name}`".replace("`.", "`") + (f" (meant: {near[0]}?)" if near else ""))
    return f"there is no config key {', '.join(names)}"
