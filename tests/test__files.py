"""A file is there whole or not at all."""

import pytest

from audiolib._files import parts, written_whole


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
