"""The makers and models of mammography machines: closed sets, so that no other text leaves a header."""

import functools
import re

# First words of Manufacturer (0008,0070), in lower case -> our name (core.terms.VENDORS)
_VENDOR_WORDS = {
    "siemens": "siemens",
    "hologic": "hologic",
    "lorad": "hologic",
    "ge ": "ge",
    "general electric": "ge",
    "fuji": "fuji",
    "philips": "philips",
    "planmed": "planmed",
    "sectra": "sectra",
    "giotto": "ims",
    "ims": "ims",
}

# Model -> what ManufacturerModelName (0008,1090) has of it, in lower case with single spaces. The first that
# fits counts: versions and spellings (`Senograph 2000D ADS_17.5`) fall together, longer names stand first.
_MODEL_WORDS = {
    "Selenia Dimensions": r"selenia dimensions",
    "3Dimensions": r"3 ?dimensions",
    "Selenia": r"selenia",
    "Senographe Pristina": r"(?:senographe? )?pristina",
    "Senographe Essential": r"senographe? essential",
    "Senographe Crystal": r"senographe? crystal",
    "Senographe Care": r"senographe? care",
    "Senographe 2000D": r"senographe? 2000 ?d",
    "Senographe DS": r"senographe? ds",
    "Mammomat Inspiration": r"mammomat inspiration",
    "Mammomat Revelation": r"mammomat revelation",
    "Mammomat Novation": r"mammomat novation",
    "Mammomat Fusion": r"mammomat fusion",
    "Mammomat B.brilliant": r"mammomat b ?brilliant",
    "Mammomat 3000": r"mammomat 3000",
    "Amulet Innovality": r"(?:amulet )?innovality",
    "Amulet Sophinity": r"(?:amulet )?sophinity",
    "Amulet Harmony": r"amulet harmony",
    "Amulet": r"amulet",
    "Clearview CSm": r"clearview csm",
    "MicroDose": r"(?:micro ?dose|l30$|l50$)",
    "Nuance Excel": r"(?:planmed )?nuance excel",
    "Nuance": r"(?:planmed )?nuance",
    "Clarity": r"(?:planmed )?clarity",
    "Sophie": r"(?:planmed )?sophie",
    "Giotto": r"giotto",
    "SenoScan": r"senoscan",
    "Helianthus": r"helianthus",
}
MODELS = tuple(_MODEL_WORDS)
_PATTERNS = {model: re.compile(rf"(?:^| ){words}(?: |$)") for model, words in _MODEL_WORDS.items()}


@functools.lru_cache(maxsize=1024)
def vendor_of(manufacturer: str) -> str:
    """One of core.terms.VENDORS."""
    words = f"{manufacturer.lower()} "
    return next((vendor for word, vendor in _VENDOR_WORDS.items() if words.startswith(word)), "other")


@functools.lru_cache(maxsize=1024)
def model_of(model_name: str) -> str | None:
    """One of MODELS, else the text as it stands (private), None where there is none."""
    words = " ".join(re.split(r"[^a-z0-9]+", model_name.lower())).strip()
    return next((model for model, found in _PATTERNS.items() if found.search(words)), model_name or None)
