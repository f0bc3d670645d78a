"""A file is there whole or not at all."""

import os

import pooch
import pytest

from audiolib import AudiolibError
from audiolib._files import chosen_folder, lend_cache, parts, written_whole


def test_a_file_appears_in_one_step_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with written_whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert parts(path) == [part]
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.glob("*a.json*")] == ["a.json"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_writing_that_fails_leaves_the_old_file_alone_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)), written_whole(path) as part:
        part.write_text("ha")
        raise error
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.glob("*a.json*")] == ["a.json"]


def test_what_failed_is_told_even_where_nothing_can_be_taken_away(tmp_path):
    """A part below a file cannot be removed either; the error is that of the writing."""
    (tmp_path / "a").write_text("a file, not a folder")
    with pytest.raises(NotADirectoryError) as caught, written_whole(tmp_path / "a" / "b") as part:
        part.write_text("x")
    assert caught.value.__context__ is None


def test_only_what_belongs_to_a_file_is_a_part_of_it(tmp_path):
    for name in (".a.npz.01ab.part", ".a.npz2.01ab.part", "a.npz.01ab.part", ".a.npz"):
        (tmp_path / name).touch()
    assert [part.name for part in parts(tmp_path / "a.npz")] == [".a.npz.01ab.part"]


def test_a_folder_is_the_one_that_is_named_or_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLIB_X", "~/here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chosen_folder("AUDIOLIB_X") == tmp_path / "here"
    monkeypatch.setenv("AUDIOLIB_X", "")
    assert chosen_folder("AUDIOLIB_X", "cache").parts[-2:] == ("audiolib", "cache")


def homeless(*args, **options):
    raise RuntimeError("could not determine the home directory")


def test_who_has_no_home_is_told_which_variable_to_set(monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", homeless)
    monkeypatch.delenv("AUDIOLIB_CACHE")
    with pytest.raises(AudiolibError, match=r"AUDIOLIB_CACHE is not set and you have no home.*let AUDIOLIB_CACHE"):
        chosen_folder("AUDIOLIB_CACHE", "cache")


@pytest.mark.parametrize("place", ["none", "read-only", "writable", "to be made"])
def test_our_cache_serves_the_libraries_only_where_theirs_cannot_be_written(monkeypatch, tmp_path, place):
    """Of the home folder of somebody who starts a container as user 12345."""
    monkeypatch.setenv("XDG_CACHE_HOME", "theirs")
    monkeypatch.setenv("AUDIOLIB_CACHE", str(tmp_path / "ours"))
    monkeypatch.setattr(pooch, "os_cache", homeless if place == "none" else lambda name: tmp_path / "a" / name)
    if place != "to be made":
        (tmp_path / "a").mkdir()
    if place == "read-only":
        monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "a")
    lend_cache()
    assert os.environ["XDG_CACHE_HOME"] == ("theirs" if place in ("writable", "to be made") else str(tmp_path / "ours"))
