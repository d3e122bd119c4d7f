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
    sorted_faults = sorted(faults, key=lambda fault: list(map(str, fault.absolute_path)))
    told = [text for fault in sorted_faults if (text := _fault_text(fault)) is not None]
    if told:
        more = f"\n  and {len(told) - 10} more" if len(told) > 10 else ""
        raise StudyError(
            "the config is wrong, nothing was run:\n  "
            + "\n  ".join(told[:10])
            + more
            + f"\nWhat each key means: workflow/schemas/{schema.name}"
        )


def _fault_text(fault: ValidationError) -> str | None:
    """None for what another fault says better."""
    key = ".".join(map(str, fault.absolute_path))
    if fault.validator == "required":
        return _missing_text(fault, key)
    if fault.validator != "additionalProperties":
        means = f". Meant: {fault.schema['description'].strip()}" if _is_pattern(fault) else ""
        return f"config key `{key}`: {fault.message}{means}"
    known = list(fault.schema.get("properties", ()))
    names = []
    for name in sorted(set(fault.instance) - set(known)):
        near = _meant(name, fault)
        names.append(f"`{key}.{name}`".replace("`.", "`") + (f" (meant: {near}?)" if near else ""))
    return f"there is no config key {', '.join(names)}"


def _missing_text(fault: ValidationError, place: str) -> str | None:
    """None if a key that is not known is meant for the missing one: that was said of it."""
    (name,) = [one for one in fault.validator_value if fault.message.startswith(repr(one))]
    unknown = set(fault.instance) - set(fault.schema["properties"])
    if any(_meant(one, fault) == name for one in unknown):
        return None
    return f"config key `{place}.{name}` is missing".replace("`.", "`")


def _meant(name: str, fault: ValidationError) -> str | None:
    near = difflib.get_close_matches(name, list(fault.schema.get("properties", ())), n=1)
    return near[0] if near else None


def _is_pattern(fault: ValidationError) -> bool:
    """Whether the fault is of a pattern, which says less than the key's description."""
    return fault.validator == "pattern" and "description" in fault.schema
