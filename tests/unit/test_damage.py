"""Results of earlier steps that are damaged: the file is named, what is wrong, and what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import made_gallery
import pytest
from reported_study import draw, evaluated, page_of

from mammo_steps.core.artefacts import begin, write_artefact
from mammo_steps.core.damage import DamagedError, working_on
from mammo_steps.core.exam_kinds import Kind
from mammo_steps.core.files import write_text
from mammo_steps.core.number_text import csv_text, read_csv, read_json
from mammo_steps.core.page_figures import read_figures

AGAIN = r"Make it again with the rule that wrote it \(`snakemake verify` names it; .*\)$"


def test_what_goes_wrong_is_said_of_the_file() -> None:
    with (
        pytest.raises(DamagedError, match=f"^a.json: damaged, or not what .*: it holds no 'x'. {AGAIN}"),
        working_on(Path("a.json")),
    ):
        _ = {}["x"]
    with (
        pytest.raises(DamagedError, match="^one of a, b: damaged, .*: TypeError: "),
        working_on(Path("a"), Path("b")),
    ):
        len(3)  # type: ignore[arg-type]


def test_of_many_files_a_few_are_named() -> None:
    with (
        pytest.raises(DamagedError, match="^one of 0, 1, 2, 3 and 2 more: "),
        working_on(*map(Path, "012345")),
    ):
        raise ValueError("x")


def test_errors_of_the_system_and_of_a_block_within_go_through() -> None:
    with pytest.raises(FileNotFoundError, match="gone"), working_on(Path("a")):
        Path("gone").read_text()
    with pytest.raises(DamagedError, match="^b: "), working_on(Path("a")), working_on(Path("b")):
        raise ValueError("x")


def test_of_several_files_that_is_named_which_is_not_as_its_step_left_it(tmp_path: Path) -> None:
    begin("evaluate", {})
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path in paths:
        write_artefact(path, "n\n1\n")
    paths[1].write_text("n\n")
    told = (
        rf"^{paths[1]} \(found 2 bytes, its step left 4 bytes, 1 rows, sha256 \w+\): damaged, .*: x. {AGAIN}"
    )
    with pytest.raises(DamagedError, match=told), working_on(*paths):
        raise ValueError("x")
    (tmp_path / ".b.csv.manifest.json").write_text("{")
    with pytest.raises(DamagedError, match="b.csv.manifest.json cannot be read as a"), working_on(*paths):
        raise ValueError("x")


@pytest.mark.parametrize(("text", "told"), [
    ("", r"it ends in the middle of a line \(0 characters\)"),
    ("model,n\nholistic,1\natten", "it ends in the middle of a line"),
    ("model,n\nholistic\n", "row 2 has 1 cells, the header has 2"),
    ("model,n\nholistic,1,2\n", "row 2 has 3 cells, the header has 2"),
    ("model,n\nholistic,many\n", "could not convert string to float: 'many'"),
    ("model,n\nholistic,\udcff\n", "UnicodeDecodeError"),
])  # fmt: skip
def test_a_damaged_csv_is_named(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "auc.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DamagedError, match=f"^{path}: damaged, or not what is wanted here: {told}"):
        read_csv(path, ("model",))


def test_a_csv_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [{"model": 'a "b",\nc', "n": 1, "auc": 0.5}, {"model": "", "n": -2, "auc": None}]
    write_text(tmp_path / "a.csv", csv_text(("model", "n", "auc"), rows))
    assert read_csv(tmp_path / "a.csv", ("model",)) == rows


def test_cut_json_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", '{"a": ')
    with pytest.raises(DamagedError, match=f"^{tmp_path}/a.json: damaged, .*JSONDecodeError: "):
        read_json(tmp_path / "a.json")


# --- report and draw_figures


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluated and drawn, with a gallery of one exam."""
    folder = evaluated(tmp_path_factory.mktemp("damage"))
    draw(folder, folder / "figures")
    made_gallery.draw(folder, [made_gallery.exam_of(1, Kind.INTERVAL)])
    page_of(folder)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def half_of_its_rows(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))


def empty_object(path: Path) -> None:
    path.write_text("{}")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.write_text("GIF89a, or so")


DAMAGE = [
    ("evaluation.json", cut, "evaluation.json .found .*JSONDecodeError"),
    ("evaluation.json", empty_object, "evaluation.json .found 2 bytes.*it holds no 'models'"),
    ("auc.csv", half_of_its_rows, "auc.csv .found .* rows.*it holds no"),
    ("auc.csv", cut, "auc.csv .found .*it ends in the middle of a line"),
    ("localisation.csv", cut, "localisation.csv .found"),
]
OF_THE_PAGE = [
    ("figures/figures.json", cut, "figures/figures.json .found .*JSONDecodeError"),
    ("figures/figures.json", empty_object, "figures/figures.json .found 2 bytes.*it holds no list"),
    ("figures/roc_screen_detected.svg", cut, "figures/roc_screen_detected.svg .found .*ParseError"),
    (
        "figures/roc_screen_detected.svg",
        nothing,
        "figures/roc_screen_detected.svg .found 0 bytes.*ParseError",
    ),
    (
        "figures/roc_screen_detected.vl.json",
        cut,
        "figures/roc_screen_detected.vl.json .found .*JSONDecodeError",
    ),
    (
        "figures/roc_screen_detected.vl.json",
        foreign,
        "figures/roc_screen_detected.vl.json .found .*JSONDecodeError",
    ),
    ("gallery/gallery.json", cut, "gallery/gallery.json .found .*JSONDecodeError"),
    (
        "gallery/gallery.json",
        empty_object,
        "gallery .found gallery.json: 2 bytes.*gallery.json holds no list",
    ),
    ("gallery/01_R-CC_image.jpg", nothing, "gallery .found 01_R-CC_image.jpg: 0 bytes"),
    ("gallery/01_R-CC_image.jpg", foreign, "gallery .found 01_R-CC_image.jpg: 13 bytes"),
    ("gallery/01_R-CC_saliency.png", foreign, "gallery .found 01_R-CC_saliency.png: 13 bytes"),
]


def harmed(whole: Path, tmp_path: Path, name: str, harm: Callable[[Path], None]) -> Path:
    """A copy of the study in which one file is damaged."""
    folder = Path(shutil.copytree(whole, tmp_path / "s"))
    harm(folder / name)
    return folder


@pytest.mark.parametrize(("name", "harm", "told"), DAMAGE + OF_THE_PAGE)
def test_the_page_names_what_is_damaged(
    name: str, harm: Callable[[Path], None], told: str, whole: Path, tmp_path: Path
) -> None:
    folder = harmed(whole, tmp_path, name, harm)
    with pytest.raises(DamagedError, match=f"^{folder}/{told}.* {AGAIN}"):
        page_of(folder)


@pytest.mark.parametrize(("name", "harm", "told"), DAMAGE)
def test_draw_figures_names_what_is_damaged(
    name: str, harm: Callable[[Path], None], told: str, whole: Path, tmp_path: Path
) -> None:
    folder = harmed(whole, tmp_path, name, harm)
    with pytest.raises(DamagedError, match=f"^{folder}/{told}.* {AGAIN}"):
        draw(folder, folder / "figures")


@pytest.mark.parametrize(
    ("name", "told"),
    [("roc_interval.vl.json", "it holds no JSON object"), ("figures.json", "it holds no 'file'")],
)
def test_without_manifests_the_file_is_named_too(name: str, told: str, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "figures", tmp_path / "figures")
    path = tmp_path / "figures" / name
    path.write_text("[{}]")
    with pytest.raises(DamagedError, match=f"^{path}: damaged, or not what is wanted here: {told}. {AGAIN}"):
        read_figures(tmp_path / "figures")
