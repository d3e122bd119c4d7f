"""What stands in a safetensors file: its facts and its layers. The format is a length, a JSON header, and bytes."""

import json
import math
from pathlib import Path
from typing import Any

from mammo_steps.core.fact_text import Facts
from mammo_steps.core.table_facts import recipe_words

_LONGEST_HEADER = 100_000_000  # bytes, as the format has it
FACTS_KEY = "mammo_steps"  # the metadata that core.network writes
_SHAPES = 3  # of a layer that are named


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Tensors (name -> dtype, shape, data_offsets) and metadata; ValueError if the file is damaged."""
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        if not 2 <= n_header <= min(n_bytes - 8, _LONGEST_HEADER):
            raise ValueError(f"{path} is damaged, or no safetensors file: its header does not fit into it")
        try:
            tensors = json.loads(file.read(n_header))
            metadata = tensors.pop("__metadata__", {})
            if not _is_metadata(metadata) or not all(map(_is_tensor, tensors.values())):
                raise ValueError("no tensors")
            end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            raise ValueError(
                f"{path} is damaged, or no safetensors file: its header cannot be read"
            ) from None
    if end != n_bytes - 8 - n_header:
        raise ValueError(
            f"{path} is damaged: its tensors take {end:,} bytes, {n_bytes - 8 - n_header:,} are there"
        )
    return tensors, metadata


def _is_metadata(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for text in found.values())


def _is_tensor(found: Any) -> bool:
    """Whether type, shape and place are of their kinds, and the place holds the values: half a byte each at least."""
    lengths, place = found["shape"], found["data_offsets"]
    numbers = [*lengths, *place]
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers) or len(place) != 2:
        return False
    return isinstance(found["dtype"], str) and math.prod(lengths) <= 2 * (place[1] - place[0])


def weight_facts(path: Path, deep: bool) -> list[Facts]:
    """Facts about a safetensors file; with `deep` mean and standard deviation of each tensor."""
    tensors, metadata = read_header(path)
    n_values = sum(_n(tensor) for tensor in tensors.values())
    rows = [("bytes", path.stat().st_size), ("tensors", len(tensors)), ("values", n_values)]
    facts = [Facts("file", (), rows)]
    facts += [Facts("what the file says of itself", (), _metadata_rows(metadata))] if metadata else []
    layers: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(tensors):
        layers.setdefault(layer_of(name), []).append(tensors[name])
    header = ("layer", "tensors", "values", "bytes", "types", "shapes")
    facts.append(Facts("layers", header, [(name, *_layer(own)) for name, own in layers.items()]))
    return [*facts, _spread(path)] if deep else facts


def layer_of(name: str) -> str:
    """`layer1.0.conv1.weight` is of `layer1.0`: the first two parts of the module's name."""
    return ".".join(name.split(".")[:-1][:2]) or name


def _n(tensor: dict[str, Any]) -> int:
    return math.prod(tensor["shape"])


def _layer(own: list[dict[str, Any]]) -> tuple[int, int, int, str, str]:
    shapes = [" x ".join(map(str, tensor["shape"])) or "scalar" for tensor in own]
    named = sorted(set(shapes), key=lambda shape: (-shapes.count(shape), shape))
    more = f" and {len(named) - _SHAPES} more" if len(named) > _SHAPES else ""
    n_bytes = sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in own)
    types = ", ".join(sorted({tensor["dtype"] for tensor in own}))
    return len(own), sum(map(_n, own)), n_bytes, types, ", ".join(named[:_SHAPES]) + more


def _metadata_rows(metadata: dict[str, str]) -> list[tuple[str, Any]]:
    """Our own facts, which stand as JSON under one key; of other entries no more than how many there are."""
    rows: list[tuple[str, Any]] = []
    own = _json_or_text(metadata.get(FACTS_KEY, ""))
    facts = own if isinstance(own, dict) else {}
    for name, one in facts.items():
        parts = _json_or_text(one) if isinstance(one, str) else one
        if isinstance(parts, list) and parts and all(map(_is_recipe_part, parts)):
            rows += [(f"{name}: {step}", ", ".join(recipe_words(settings))) for step, settings in parts]
        else:
            rows.append((name, ", ".join(recipe_words(one if isinstance(one, dict) else {"": one})).strip()))
    n_other = len(metadata) - bool(facts)
    return rows + ([("entries not of this project, not shown", n_other)] if n_other else [])


def _is_recipe_part(part: Any) -> bool:
    return isinstance(part, list) and len(part) == 2 and isinstance(part[1], dict)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith(("{", "[")) else text
    except ValueError:
        return text


def _spread(path: Path) -> Facts:
    """One tensor in memory at a time."""
    import torch  # heavy, and wanted for this alone
    from safetensors import SafetensorError, safe_open

    rows = []
    try:
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name).double()
                finite = tensor[torch.isfinite(tensor)]
                mean = float(finite.mean()) if finite.numel() else None
                std = float(finite.std(correction=0)) if finite.numel() else None
                shape = " x ".join(map(str, tensor.shape)) or "scalar"
                rows.append((name, shape, tensor.numel() - finite.numel(), mean, std))
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged, or no safetensors file ({error})") from None
    return Facts("tensors", ("tensor", "shape", "not finite", "mean", "std"), rows)
