"""What `inspect` says of made files whose numbers can be checked by hand."""

import itertools
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from inspected import WOMAN, inspect, lines_with, scored, step
from safetensors.torch import save_file

from mammo_steps.core import crop_audit, localisation
from mammo_steps.core.columns import TABLES
from mammo_steps.core.csv_columns import CSV_COLUMNS, KNOWN
from mammo_steps.core.fact_text import Facts, as_json, lines_of
from mammo_steps.core.files import write_text
from mammo_steps.core.history import Epoch, history_csv
from mammo_steps.core.kinds import CLOSED_SETS, TABLE_KINDS, kind_of
from mammo_steps.core.table_facts import table_facts
from mammo_steps.core.tables import RowGroupWriter, write_rows
from mammo_steps.datasets.own_archive import OPTIONAL, REQUIRED
from mammo_steps.doctor import SAMPLE_COLUMNS
from mammo_steps.evaluate import AUC_COLUMNS
from mammo_steps.index_archive import LIST_COLUMNS
from mammo_steps.make_demo_cohort import LABEL_COLUMNS, LESION_COLUMNS

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- tables


def test_a_table_is_told_with_units_meanings_quantiles_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = inspect(capsys, scored())
    assert status == 0 and "One row per exam: scores of all models" in said
    assert lines_with(said, "rows") == [["rows", "101"]]
    about, *_, numbers = lines_with(said, "holistic")
    assert about[1:3] == ["double", "logit"] and "max over breasts of the sum over" in said
    assert numbers == ["holistic", "101", "0", "5", "50", "95", "100"]
    assert lines_with(said, "attention")[1] == ["attention", "101", *["0.5"] * 5]
    assert lines_with(said, "reader_2")[0][2] == "25.7%"  # 26 of 101
    assert lines_with(said, "reader_2")[1][1] == "75"
    assert lines_with(said, "outcome")[1] == ["outcome", "2", "normal", "80,", "screen_detected", "21"]
    assert lines_with(said, "patient_id")[1] == ["patient_id", "1", "not", "shown"]
    assert lines_with(said, "exam_id")[1] == ["exam_id", "101", "not", "shown"]
    assert WOMAN not in said and said.rstrip().endswith("nobody says which step wrote it")


def test_no_line_is_wider_than_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, inspect(capsys, scored())[1].splitlines())) <= 100


def test_the_same_is_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(inspect(capsys, scored(), "--json")[1])
    columns = {column["column"]: column for column in said["facts"]["columns"]}
    assert said["table"] == "exam_scores" and columns["holistic"]["unit"] == "logit"
    assert said["facts"]["file"]["rows"] == 101 and columns["fold"]["unit"] is None
    assert {
        "column": "holistic",
        "values": 101,
        "min": 0,
        "5 %": 5,
        "median": 50,
        "95 %": 95,
        "max": 100,
    } in (said["facts"]["numbers"])


def test_an_empty_table_has_columns_and_no_quantiles(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(Path("r.parquet"), "roles", [])
    status, said = inspect(capsys, "r.parquet")
    assert status == 0 and lines_with(said, "fold")[1] == ["fold", "0"]


def test_bools_and_lists_are_counted_value_by_value(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"image_id": "i", "top_px": 0, "left_px": 0, "height_px": 1, "width_px": 1, "mirrored": True}
    places = {"patch_rows": [0, 10], "patch_cols": [4], "benign": [0.25, 0.75], "malignant": [0.0]}
    write_rows(Path("p.parquet"), "wu2019_patches", [row | places, row | places | {"mirrored": False}])
    said = inspect(capsys, "p.parquet")[1]
    assert lines_with(said, "patch_rows")[0][1:3] == ["list<int32>", "px"]
    assert lines_with(said, "patch_rows")[1] == ["patch_rows", "4", "0", "0", "5", "10", "10"]
    assert lines_with(said, "mirrored")[1] == ["mirrored", "2", "false", "1,", "true", "1"]


def test_of_a_long_column_row_groups_from_all_over_the_table_are_read() -> None:
    with RowGroupWriter(Path("t.parquet"), "tiles", "none") as writer:
        for number in range(100):
            writer.append({"image_id": "i", "tile_row": number, "tile_col": 0, "pixels": b"x"})
    facts = {one.title.partition(" ")[0]: one for one in table_facts(Path("t.parquet"), "tiles", 5)}
    assert "more than 5 values" in facts["numbers"].title
    assert facts["numbers"].rows[0][:3] == ["tile_row", 5, 0] and facts["numbers"].rows[0][-1] == 99
    assert [row[0] for row in facts["words"].rows] == ["image_id"]  # never pixels


def test_what_stands_in_private_tables_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    raw = {
        "path": "anna/1.dcm", "patient_id": "ANNA", "exam_id": "1.2.3", "image_id": "1.2.4",
        "exam_date": "2001-02-03", "acquired": "2001-02-03T04:05", "model": "ANNAS MODEL", "file_bytes": 7,
        "photometric": "ANNA1", "transfer_syntax": "ANNA2", "detail": "ANNA3", "vendor": "ge",
    }  # fmt: skip
    write_rows(Path("intakes/a/headers/0.parquet"), "headers", [raw])
    status, said = inspect(capsys, "intakes/a/headers/0.parquet")
    assert status == 0 and not re.search("anna|2001|1\\.2\\.", said, re.IGNORECASE)
    assert "with its own ids" in said and lines_with(said, "vendor")[1] == ["vendor", "1", "ge", "1"]
    assert lines_with(said, "path")[1] == ["path", "1", "not", "shown"]


def test_values_of_unknown_tables_and_columns_are_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"name": ["ANNA"], "born": [1950]}), "site.parquet")
    status, said = inspect(capsys, "site.parquet")
    assert status == 0 and "Of no kind" in said and "ANNA" not in said and "1950" not in said
    table = pa.table({"patient_id": ["p"], "fold": ["ANNA"], "more": ["ANNA"]}).replace_schema_metadata(
        {"table": "roles"}
    )
    pq.write_table(table, "roles.parquet")
    status, said = inspect(capsys, "roles.parquet")
    assert status == 0 and "ANNA" not in said
    assert "not the one at hand: role missing; column 3 more" in said


def test_only_columns_of_closed_sets_are_shown() -> None:
    words = {name for table in TABLES.values() for name, c in table.items() if c.type.startswith("string")}
    assert not {name for name in CLOSED_SETS if name.endswith("_id")} and words >= CLOSED_SETS
    hidden = words - CLOSED_SETS
    assert {name for name in hidden if not name.endswith("_id")} == {
        "path", "exam_date", "acquired", "detail", "voi", "drift", "refused",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [4, 40, 400])
def test_a_damaged_table_is_told_in_a_line(cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = scored()
    path.write_bytes(path.read_bytes()[:-cut])
    status, said = inspect(capsys, path)
    assert status == 1 and said.splitlines()[-1].startswith(f"{path} cannot be read: ")


def test_a_table_with_turned_bits_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = scored()
    content = bytearray(path.read_bytes())
    for place in range(100, 400):
        content[place] ^= 255
    path.write_bytes(content)
    status, said = inspect(capsys, path)
    assert status == 1 and said.splitlines()[-1].startswith(f"{path} cannot be read: ")


# --- other files


def test_a_csv_of_the_workflow_is_told_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"holistic,{number},{'' if number else 0.5}\n" for number in range(101))
    write_text(Path("report/auc.csv"), f"model,n_positive,auc\n{rows}")
    status, said = inspect(capsys, "report/auc.csv")
    assert status == 0 and "Every AUC" in said and lines_with(said, "rows") == [["rows", "101"]]
    assert lines_with(said, "n_positive")[1:] == [["n_positive", "101", "0", "5", "50", "95", "100"]]
    assert lines_with(said, "auc")[0][1:6] == ["area", "under", "the", "ROC", "curve;"]
    assert lines_with(said, "auc")[1:] == [["auc", "99.0%", "1", *["0.5"] * 5]]
    assert lines_with(said, "model")[-1] == ["model", "1", "holistic", "101"]


@pytest.mark.parametrize("name", ["labels.csv", "private/s/intakes/a/shards/a-000.csv", "site.csv"])
def test_values_of_a_csv_of_ids_are_not_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path(name), "patient_id,born,path\n000123,1950,anna.dcm\n")
    status, said = inspect(capsys, name)
    assert status == 0 and lines_with(said, "path")[-1] == ["path", "not", "shown"]
    assert not re.search("123|1950|anna", said)


def test_of_a_csv_without_a_header_the_first_row_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("labels.csv", "report/auc.csv"):
        write_text(Path(name), "PAT-1,normal,SCHMIDT^ANNA\nPAT-2,normal,1950\n")
        for flags in ((), ("--json",)):
            status, said = inspect(capsys, name, *flags)
            assert status == 0 and not re.search("PAT|SCHMIDT|1950", said)
        assert lines_with(inspect(capsys, name)[1], "column")[-1] == ["column", "3", "not", "shown"]


def test_names_of_columns_of_another_parquet_file_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    inner = pa.array([{"SCHMIDT": 1}])
    about = pa.schema([pa.field("ANNA", pa.int64(), metadata={"meaning": "born 1950"}), ("b", inner.type)])
    pq.write_table(pa.table([pa.array([1]), inner], schema=about), "site.parquet")
    status, said = inspect(capsys, "site.parquet")
    assert status == 0 and not re.search("ANNA|SCHMIDT|1950", said)
    assert [line[:3] for line in lines_with(said, "column")[1:]] == [
        ["column", "1", "int64"],
        ["column", "2", "struct"],
    ]


def test_what_weights_of_others_say_of_themselves_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"a.weight": torch.ones(1)}, "w.safetensors", {"name": "SCHMIDT^ANNA", "b": "[[1,2],[3,4]]"})
    status, said = inspect(capsys, "w.safetensors")
    assert status == 0 and "SCHMIDT" not in said and "entries not of this project, not shown  2" in said


def test_no_control_character_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"\x1b[2J\x9b\u202ea.weight": torch.ones(1)}, "w.safetensors")
    said = inspect(capsys, "w.safetensors", "--deep")[1]
    assert "\\x1b[2J\\x9b\\u202ea" in said and not re.search("[\x1b\x9b\u202e]", said)
    said = inspect(capsys, "\x1b[2J.csv")[1]
    assert "\\x1b[2J.csv is not there" in said and "\x1b" not in said


def test_a_damaged_csv_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("history.csv"), "a,b\n1,2\n3\n")
    status, said = inspect(capsys, "history.csv")
    assert status == 1 and said.endswith("history.csv, line 3: 1 cells, the header has 2")
    Path("history.csv").write_bytes(b"a\n\xff\n")
    assert "cannot be read as a CSV in UTF-8" in inspect(capsys, "history.csv")[1]


def test_a_line_too_long_to_be_held_is_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("history.csv"), "a\n" + "1" * 1_000_001)
    status, said = inspect(capsys, "history.csv")
    assert status == 1 and said.endswith(
        "history.csv, line 2: more than 1,000,000 characters, wanted a row of a table"
    )
    write_text(Path("a.log"), "x" * 3_000_000 + "\ny")
    assert lines_with(inspect(capsys, "a.log")[1], "lines") == [["lines", "2"]]


@pytest.mark.parametrize(("name", "holds", "wanted"), [
    ("evaluation.json", "null", "null, wanted an object"),
    ("evaluation.json", '"x"', "text, wanted an object"),
    ("evaluation.json", "[]", "list of 0, wanted an object"),
    ("figures/figures.json", "{}", "object of 0, wanted a list"),
])  # fmt: skip
def test_json_of_the_workflow_that_holds_another_thing_is_told(
    name: str, holds: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("report") / name
    write_text(path, holds)
    status, said = inspect(capsys, path)
    assert status == 1 and f"{path} holds {wanted}: run the rule that wrote it again" in said


def test_keys_of_json_are_told_two_levels_deep(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(
        Path("run.json"), json.dumps({"fold": 3, "fit": {"epochs": [1, 2], "x": {"y": 1}}, WOMAN: None})
    )
    status, said = inspect(capsys, "run.json")
    assert status == 0 and lines_with(said, "fold") == [["fold", "number", "3"]]
    assert lines_with(said, "fit.epochs") == [["fit.epochs", "list", "of", "2"]]
    assert lines_with(said, "fit.x") == [["fit.x", "object", "of", "1"]] and "fit.x.y" not in said
    assert lines_with(said, "*") == [["*", "null", "null"]] and WOMAN not in said


def test_keys_of_another_json_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("site.json"), '{"anna": 1}')
    status, said = inspect(capsys, "site.json")
    assert status == 0 and "object of 1" in said and "anna" not in said
    write_text(Path("run.json"), '{"anna')
    assert inspect(capsys, "run.json")[1].splitlines()[-1].startswith("run.json cannot be read as JSON")


def test_arrays_are_told_by_their_headers(capsys: pytest.CaptureFixture[str]) -> None:
    ids = [f"i{number:020x}" for number in (1, 2)]
    arrays: dict[str, Any] = {f"{i}/roi": np.zeros((3, 2), np.uint8) for i in ids}
    path = Path("report/saliency.npz")
    path.parent.mkdir()
    np.savez(path, things=np.array([{}], object), **arrays)
    status, said = inspect(capsys, path)
    assert status == 0 and lines_with(said, "*/roi") == [["*/roi", "2", "3", "x", "2", "uint8"]]
    assert "pickled objects, never opened" in said and lines_with(said, "things")
    np.savez("site.npz", anna=np.zeros(1))
    assert "anna" not in inspect(capsys, "site.npz")[1]
    path.write_bytes(path.read_bytes()[:-30])
    assert inspect(capsys, path)[1].endswith("report/saliency.npz is damaged, or no npz file")


def test_weights_are_told_by_layer_and_with_deep_by_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    tensors = {"layer1.0.conv1.weight": torch.ones(2, 3), "layer1.0.bn1.bias": torch.tensor([1.0, 3.0])}
    facts = {"mammo_steps": json.dumps({"fold": 2, "settings": {"fit": {"epochs": 5}}})}
    save_file({**tensors, "fc.bias": torch.tensor([torch.nan, 4.0])}, "model.safetensors", facts)
    status, said = inspect(capsys, "model.safetensors")
    assert status == 0 and lines_with(said, "fold") == [["fold", "2"]] and "fit.epochs 5" in said
    assert lines_with(said, "layer1.0")[0][:5] == ["layer1.0", "2", "8", "32", "F32"]
    assert lines_with(said, "values") == [["values", "10"]] and "conv1" not in said
    said = inspect(capsys, "model.safetensors", "--deep")[1]
    assert lines_with(said, "layer1.0.bn1.bias") == [["layer1.0.bn1.bias", "2", "0", "2", "1"]]
    assert lines_with(said, "fc.bias") == [["fc.bias", "2", "1", "4", "0"]]


@pytest.mark.parametrize("deep", [(), ("--deep",)])
def test_damaged_weights_are_told_in_a_line(
    deep: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"a.weight": torch.ones(9)}, "w.safetensors")
    whole = Path("w.safetensors").read_bytes()
    for damaged in (whole[:-4], whole[:12], b"\xff" * 40, whole[:8] + b"[" + whole[9:]):
        Path("w.safetensors").write_bytes(damaged)
        status, said = inspect(capsys, "w.safetensors", *deep)
        assert status == 1 and "w.safetensors is damaged" in said.splitlines()[-1]


def hostile_weights(header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    Path("w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"abcd")


@pytest.mark.parametrize("changes", [
    {"shape": [None]}, {"shape": None}, {"shape": [-1]}, {"shape": [10**4000] * 2}, {"shape": [1 << 62] * 400},
    {"dtype": ["F32"]}, {"data_offsets": ["0", 4]}, {"data_offsets": [None, 4]}, {"data_offsets": [0, 2, 4]},
])  # fmt: skip
@pytest.mark.parametrize("deep", [(), ("--deep",)])
def test_a_hostile_header_of_weights_is_told_in_a_line(
    changes: dict[str, Any], deep: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile_weights({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}})
    status, said = inspect(capsys, "w.safetensors", *deep)
    assert status == 1 and "w.safetensors is damaged, or no safetensors file" in said.splitlines()[-1]


@pytest.mark.parametrize("metadata", [{"a": 1}, [1], "text", None])
def test_hostile_metadata_of_weights_are_told_in_a_line(
    metadata: object, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile_weights({"__metadata__": metadata, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    status, said = inspect(capsys, "w.safetensors")
    assert status == 1 and "w.safetensors is damaged, or no safetensors file" in said.splitlines()[-1]


def test_arrays_with_turned_bits_are_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez_compressed("a.npz", a=np.arange(1000))
    content = bytearray(Path("a.npz").read_bytes())
    for place in range(40, 60):
        content[place] ^= 255
    Path("a.npz").write_bytes(content)
    status, said = inspect(capsys, "a.npz")
    assert status == 1 and said.endswith("a.npz is damaged, or no npz file")


def test_pages_and_folders_are_told_by_title_and_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("results/s/report/report.html"), "<html><title>My\nstudy</title>\n</html>")
    write_text(Path("results/s/report/table1.md"), "# Table 1\n\n|a|\n")
    write_text(Path("results/s/report/.hidden"), "x")
    assert lines_with(inspect(capsys, "results/s/report/report.html")[1], "title") == [
        ["title", "My", "study"]
    ]
    assert lines_with(inspect(capsys, "results/s/report/table1.md")[1], "title") == [["title", "Table", "1"]]
    status, said = inspect(capsys, "results/s")
    assert (
        status == 0 and "The results of a study." in said and lines_with(said, "files")[0] == ["files", "2"]
    )
    assert "\n  A folder.\n" in inspect(capsys, ".")[1]
    assert lines_with(said, "report/table1.md") == [["report/table1.md", "1", "15"]]


def test_what_is_not_opened_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty.parquet").touch()
    Path("a.dcm").write_bytes(b"ANNA")
    Path("noname").write_bytes(bytes(128) + b"DICM")
    Path("w.pkl").write_bytes(b"ANNA")
    Path("w.bin").write_bytes(pickle.dumps({}))
    torch.save({}, "w.zip")
    Path("id_key").write_text("ANNA")
    Path("site.xyz").write_text("ANNA")
    os.mkfifo("pipe")
    words = {
        "empty.parquet": "is empty", "a.dcm": "DICOM", "noname": "DICOM", "w.pkl": "pickle", "w.bin": "pickle",
        "w.zip": "pickle", "id_key": "is the key of the pseudonyms", "site.xyz": "of no kind", "gone": "is not there",
        "pipe": "neither a file nor a folder", "a.dcm/x": "a part of its path is a file", "n" * 300: "cannot be read",
    }  # fmt: skip
    for name, word in words.items():
        status, said = inspect(capsys, name)
        assert status == 1 and word in said.splitlines()[-1], name
        assert "ANNA" not in said


def test_a_link_to_itself_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("loop.csv").symlink_to("loop.csv")
    status, said = inspect(capsys, tmp_path / "loop.csv")
    assert status == 1 and said.startswith(f"{tmp_path}/loop.csv cannot be read (Too many levels")


def test_a_file_that_one_may_not_read_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    write_text(Path("run.json"), "{}")
    monkeypatch.setattr(Path, "open", refuse)
    assert inspect(capsys, "run.json") == (1, "run.json: you have no right to read it")


@pytest.mark.parametrize("flags", [("--png", "a.parquet"), ("--images", "0"), ("--nonsense",), ()])
def test_wrong_usage_ends_with_2(flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(capsys, *(("x",) if flags else ()), *flags)[0] == 2


# --- the command, and what it knows


def test_it_runs_as_a_module_and_bears_a_reader_that_stops() -> None:
    command = [sys.executable, "-m", "mammo_steps.inspect"]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    told = subprocess.run([*command, "--help"], cwd=REPO, capture_output=True, text=True, check=True)
    assert told.stdout.startswith("usage: ") and "Say of any file" in told.stdout
    path = Path("run.json")
    write_text(path, json.dumps({f"key{n}": {f"k{m}": 1 for m in range(50)} for n in range(50)}))
    for module in (
        ["mammo_steps.inspect", path],
        ["mammo_steps.by_hand.why", step("evaluate", Path("a.csv"))],
    ):
        program = subprocess.Popen(
            [sys.executable, "-m", *map(str, module)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()  # nobody reads
        assert program.stderr.read() == b"" and program.wait() == 141


def test_every_table_and_every_output_of_a_rule_is_described() -> None:
    assert list(TABLE_KINDS) == list(TABLES)
    values = {"fold": "fold0", "shard": "a-000", "intake": "a", "chunk": "0", "kind": "cpu"}
    outputs = []
    for rules in (REPO / "workflow/rules").glob("*.smk"):
        for block in re.findall(r"\n +output:\n(.*?)\n +log:", rules.read_text(), re.DOTALL):
            outputs += re.findall(r'f"\{[REP]\}/([^"]*)"', block)
    assert len(outputs) > 35
    for output in outputs:
        path = Path("results/s") / output.replace("{{", "{").replace("}}", "}").format(**values)
        assert kind_of(path) is not None, path


def test_every_column_of_a_csv_has_its_meaning() -> None:
    epoch = Epoch(0, 1, 1, 0.1, 0.1, 0.1, None)
    columns = {
        "auc.csv": AUC_COLUMNS,
        "history.csv": history_csv([epoch]).splitlines()[0].split(","),
        "localisation.csv": localisation.COLUMNS,
        "crop_audit.csv": crop_audit.COLUMNS,
    }
    assert {name: list(about) for name, about in CSV_COLUMNS.items()} == {
        name: list(own) for name, own in columns.items()
    }


def test_the_names_of_every_csv_that_the_workflow_reads_or_writes_are_known() -> None:
    tables = ({*REQUIRED, *OPTIONAL}, LABEL_COLUMNS, LESION_COLUMNS, LIST_COLUMNS, SAMPLE_COLUMNS)
    assert KNOWN.issuperset(itertools.chain(*tables))


def test_last_words_go_on_below_and_numbers_stand_to_the_right() -> None:
    facts = Facts("title", ("name", "n", "about"), [("a", 5, "word " * 30), ("bb", 12_345, None)])
    lines = list(lines_of(facts))
    assert lines[:2] == ["title", "  name       n  about"]
    assert lines[2].startswith("  a          5  word word") and lines[3].startswith(" " * 16 + "word")
    assert lines[-1] == "  bb    12,345" and max(map(len, lines)) <= 100
    assert as_json(facts)[1] == {"name": "bb", "n": 12_345, "about": None}
