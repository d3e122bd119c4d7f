"""The key of the pseudonyms: made whole or not at all, never replaced, and refused if it is no whole one."""

import errno
import os
import stat
from pathlib import Path

import pytest

from mammo_steps.core import files
from mammo_steps.core.ids import make_key, read_key
from mammo_steps.core.study import StudyError
from mammo_steps.core.study_checks import _check_key


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def test_a_new_key_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "private/id_key"
    make_key(path)
    key = read_key(path)
    assert len(key) == 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    make_key(path)
    assert read_key(path) == key and names(path.parent) == ["id_key"]


def test_a_full_disk_leaves_no_key_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(os, "fsync", full)
        make_key(tmp_path / "id_key")
    assert names(tmp_path) == []
    make_key(tmp_path / "id_key")
    assert len(read_key(tmp_path / "id_key")) == 64


@pytest.mark.parametrize("has_links", [True, False])
def test_a_key_that_another_process_makes_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    path, link = tmp_path / "id_key", os.link
    write_synced = files.write_synced

    def written_late(scratch: Path, content: bytes) -> None:
        write_synced(scratch, content)
        path.write_text("the key of the other process")

    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files, "write_synced", written_late)
    monkeypatch.setattr(os, "link", link if has_links else no_link)
    make_key(path)
    assert path.read_text() == "the key of the other process" and names(tmp_path) == ["id_key"]


def test_a_file_system_without_hard_links_gets_its_key_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    make_key(tmp_path / "id_key")
    assert len(read_key(tmp_path / "id_key")) == 64 and names(tmp_path) == ["id_key"]


@pytest.mark.parametrize("text", ["", "\n", "a short key"])
def test_an_empty_or_short_key_is_refused_where_it_is_made_and_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "id_key"
    path.write_text(text)
    wanted = (
        "id_key is no whole key: it has .* characters, at least 16 are wanted. Put the file back from your"
    )
    for use in (make_key, read_key):
        with pytest.raises(ValueError, match=wanted):
            use(path)
    with pytest.raises(StudyError, match=wanted):
        _check_key(path, tmp_path)
    assert path.read_text() == text
