"""A result is made once; whatever happens to what is kept, what is used is right."""

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from toys import SMALL, quiet_extract, write_corpus

from audiolib import AudiolibError, _cache, corpora
from audiolib.features import Frontend


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def good(corpus):
    """The right features, not from the cache."""
    return quiet_extract(corpus, cache=False)


def assert_same(made, good):
    """The numbers themselves are compared, since a fingerprint may come from the cache."""
    np.testing.assert_array_equal(made.x, good.x)
    assert made.fingerprint == good.fingerprint


def only(folder, suffix):
    (path,) = folder.glob(f"features/*{suffix}")
    return path


# --- a result is made once --------------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    """The clips that were decoded, in a list."""
    names, read = [], corpora.read
    monkeypatch.setattr(corpora, "read", lambda clip, **options: names.append(clip.name) or read(clip, **options))
    return names


def test_a_second_call_decodes_nothing_and_gives_the_same(corpus, decoded):
    first = quiet_extract(corpus)
    assert len(decoded) == 6
    second = quiet_extract(corpus)
    assert len(decoded) == 6
    np.testing.assert_array_equal(first.x, second.x)
    for name in ("names", "clip_labels", "groups", "folds", "digests", "labels", "corpus", "frontend",
                 "hop_seconds", "skipped", "fingerprint"):
        assert getattr(first, name) == getattr(second, name), name
    assert type(second.x) is np.ndarray


def test_without_the_cache_nothing_is_kept_or_found(corpus, decoded, cache_root):
    quiet_extract(corpus, cache=False)
    assert not list(cache_root.glob("features/*"))
    quiet_extract(corpus)
    quiet_extract(corpus, cache=False)
    assert len(decoded) == 18


@pytest.mark.parametrize("change", [{"hop_length": 64}, {"kind": "mfcc"}, {"top_db": 40.0}, {"fmin": 100.0}])
def test_another_frontend_is_another_result(corpus, decoded, change):
    quiet_extract(corpus)
    quiet_extract(corpus, replace(SMALL, **change))
    assert len(decoded) == 12


def test_a_changed_file_is_noticed_even_at_the_same_size_and_time(corpus, decoded):
    before = quiet_extract(corpus)
    path = corpus.clips[0].path
    times = path.stat()
    y, sr = soundfile.read(path)
    soundfile.write(path, y[::-1], sr)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    after = quiet_extract(corpus)
    assert len(decoded) == 12
    assert after.digests[0] != before.digests[0] and after.digests[1:] == before.digests[1:]


@pytest.mark.parametrize(("stamp", "least", "most"), [(123_456_789, 0.01, 0.02), (500_000_000, 1, 2)])
def test_a_file_that_changed_just_now_is_waited_for(corpus, monkeypatch, stamp, least, most):
    """Within a tick of the file system's clock it could change again and look the same: FAT's is two seconds long."""
    waited = []
    monkeypatch.setattr(_cache, "_state", lambda path: [1, stamp, stamp - 10**9, 1])
    monkeypatch.setattr(_cache, "time", SimpleNamespace(sleep=waited.append, time_ns=lambda: stamp + 5_000_000))
    _cache.key([clip.path for clip in corpus.clips])
    assert len(waited) == 1 and least <= waited[0] <= most


def test_files_that_have_settled_are_not_waited_for(corpus, monkeypatch):
    states = [[1, 10**18, 10**18, 1], [], [1, 2 * 10**18 + 2 * 10**9, 10**18, 1]]  # old, gone, of a clock ahead of ours
    monkeypatch.setattr(_cache, "_state", lambda path: states[path])
    monkeypatch.setattr(_cache, "time", SimpleNamespace(sleep=None, time_ns=lambda: 2 * 10**18))
    _cache.key([0, 1])
    _cache.key([0, 1, 2])


def test_a_corpus_that_was_moved_is_known_and_no_reason_holds_its_old_place(corpus, tmp_path, decoded):
    corpus.clips[1].path.write_text("not audio")
    for name in "corpus", "moved":
        with pytest.warns(UserWarning, match=f"{name}: 1 of 6 clips skipped: drum/1: "):
            made = quiet_extract(corpora.load(tmp_path / name))
        assert len(decoded) == 6
        assert made.skipped[0][0] == "drum/1" and "corpus" not in made.skipped[0][1] and "/" not in made.skipped[0][1]
        (tmp_path / name).rename(tmp_path / "moved")


@pytest.mark.parametrize("error", [
    OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "Input/output error"), MemoryError()], ids=repr)
def test_a_failure_that_may_pass_is_told_but_not_kept(corpus, good, monkeypatch, error):
    """No file handle left, a disk's or a network's error, no memory: nothing of it lies in the file."""
    digest = corpora.digest

    def failing(path):
        with monkeypatch.context() as patched:
            if path == corpus.clips[1].path:
                patched.setattr("builtins.open", lambda *args, **options: (_ for _ in ()).throw(error))
            return digest(path)

    with monkeypatch.context() as patched:
        patched.setattr(corpora, "digest", failing)
        with pytest.warns(UserWarning, match=r"1 of 6 clips skipped: drum/1: .*may pass: try again"):
            assert len(quiet_extract(corpus, jobs=1)) == 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(quiet_extract(corpus), good)


@pytest.mark.parametrize("cause", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_an_error_of_the_library_that_has_such_a_cause_is_not_kept_either(corpus, good, monkeypatch, cause):
    def failing(clip, **options):
        raise AudiolibError(f"{clip.path}: cannot be decoded") from cause

    with monkeypatch.context() as patched:
        read = corpora.read
        patched.setattr(corpora, "read",
                        lambda clip, **options: (failing if clip.name == "drum/1" else read)(clip, **options))
        with pytest.warns(UserWarning, match=r"drum/1: cannot be decoded \(this may pass: try again\)"):
            quiet_extract(corpus)
    assert_same(quiet_extract(corpus), good)


def test_a_new_name_label_group_or_fold_is_heeded_without_new_work(corpus, decoded):
    before = quiet_extract(corpus)
    clips = (replace(corpus.clips[0], name="other", label="flute", group="someone", fold=3), *corpus.clips[1:])
    after = quiet_extract(replace(corpus, clips=clips))
    assert len(decoded) == 6
    assert (after.names[0], after.y[0], after.groups[0], after.folds[0]) == ("other", 1, "someone", 3)
    assert after.fingerprint != before.fingerprint


def test_another_order_of_the_clips_is_another_result(corpus):
    clips = corpus.clips[::-1]
    assert np.array_equal(quiet_extract(replace(corpus, clips=clips)).x[:2], quiet_extract(corpus).x[-2:])


def test_the_fingerprint_is_that_of_the_numbers_cold_or_cached(corpus):
    for _ in "cold", "cached":
        made = quiet_extract(corpus)
        assert made.fingerprint == made.subset(np.ones(len(made), bool)).fingerprint


def test_another_version_of_a_library_is_another_result(corpus, decoded, monkeypatch):
    quiet_extract(corpus)
    versions = _cache._versions()
    assert {"av", "ffmpeg", "libsndfile", "librosa", "soxr", "numpy", "scipy", "code"} <= set(versions)
    monkeypatch.setattr(_cache, "_versions", lambda: versions | {"librosa": "99"})
    quiet_extract(corpus)
    assert len(decoded) == 12


# --- what is kept is damaged, half written, or cannot be written ------------------------------------------------------


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_byte_and_hide_it(path):
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def other_array(path):
    np.save(path, np.zeros((12, 32, 20), np.float32))


@pytest.mark.parametrize("damage", [
    cut_in_half, flip_a_byte_and_hide_it, other_array,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("not an array"),
    lambda path: np.save(path, np.array([{"a": "pickle"}], dtype=object)),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: path.unlink(),
], ids=["half of it", "one bit, same size and time", "another array", "empty", "text", "pickle", "a folder", "gone"])
def test_damaged_data_are_never_used(corpus, good, cache_root, damage):
    quiet_extract(corpus)
    damage(only(cache_root, ".npy"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_same(quiet_extract(corpus), good)
    assert all("damaged" in str(warning.message) for warning in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(quiet_extract(corpus), good)  # and what was made again is whole


@pytest.mark.parametrize("damage", [
    cut_in_half,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("[]"),
    lambda path: path.write_text("{}"),
    lambda path: path.write_bytes(b"\xff\x00"),
    lambda path: path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0').replace("[", "[0, ", 1)),
], ids=["half of it", "empty", "a list", "nothing said", "not text", "another checksum"])
def test_a_damaged_manifest_is_never_used(corpus, good, cache_root, damage):
    quiet_extract(corpus)
    damage(only(cache_root, ".json"))
    with pytest.warns(UserWarning, match="damaged.*made again"):
        assert_same(quiet_extract(corpus), good)
    assert_same(quiet_extract(corpus), good)


def test_a_touched_cache_is_checked_and_used(corpus, cache_root, monkeypatch):
    """Copied to another disk, say: other times and inode, same content."""
    first = quiet_extract(corpus)
    os.utime(only(cache_root, ".npy"), ns=(1, 1))
    monkeypatch.setattr("audiolib.features._run", None)
    assert_same(quiet_extract(corpus), first)


SLOW_SAVE = """
import os, sys, time
import numpy as np
from audiolib import AudiolibError, _cache, corpora
from audiolib.features import Frontend, extract

def save(file, x, **options):
    file.write(b"\\x93NUMPY and then nothing")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)

if {stage!r} == "data":
    np.save = save
else:
    replace = os.replace
    os.replace = lambda part, path: (path.suffix == ".json" and (print("writing", flush=True), time.sleep(60)),
                                     replace(part, path))
extract(corpora.load(sys.argv[1]), Frontend(**{frontend}), progress=False)
"""


def run_python(code, *args):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stage", ["data", "manifest"])
def test_what_a_killed_process_left_is_not_used_and_is_swept_away(corpus, good, cache_root, stage):
    process = run_python(SLOW_SAVE.format(stage=stage, frontend=asdict(SMALL)), corpus.root)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(cache_root.rglob("*.npy")) + list(cache_root.rglob("*.part"))
    assert left, "the process was not killed while it wrote"
    assert_same(quiet_extract(corpus), good)
    assert all(path.exists() for path in left), "it could be another process's, still at work"
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    quiet_extract(corpus, Frontend(**asdict(SMALL) | {"n_mels": 10}))
    assert not any(path.exists() for path in left if path.parent.name == "features")
    assert_same(quiet_extract(corpus), good)  # but what is named by a manifest stays


def test_old_whole_results_are_not_swept_away(corpus, cache_root, monkeypatch):
    quiet_extract(corpus)
    data = only(cache_root, ".npy")
    os.utime(data, (time.time() - 10**7,) * 2)
    quiet_extract(corpus, Frontend(sample_rate=8000, n_fft=256, n_mels=10, segment_seconds=0.5))
    assert data.exists()


def test_ctrl_c_while_writing_leaves_nothing(corpus, good, cache_root, monkeypatch):
    def interrupted(file, *args, **options):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quiet_extract(corpus)
    assert not list(cache_root.glob("features/*"))
    assert_same(quiet_extract(corpus), good)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_cache_that_cannot_be_written_loses_no_work(corpus, good, cache_root, monkeypatch, code):
    def refuse(file, *args, **options):
        file.write(b"half")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(np, "save", refuse)
    with pytest.warns(UserWarning, match=f"cannot be kept.*{os.strerror(code)}.*AUDIOLIB_CACHE"):
        assert_same(quiet_extract(corpus), good)
    assert not list(cache_root.glob("features/*"))


FULL_DISK = """
import resource, sys, warnings
from audiolib import corpora
from audiolib.features import Frontend, extract
corpus = corpora.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    made = extract(corpus, Frontend(**{frontend}), progress=False)
print(made.fingerprint, len(caught), "cannot be kept" in str(caught[0].message))
"""


def test_a_disk_that_fills_up_while_it_is_written_loses_no_work(corpus, good, cache_root):
    """The system itself refuses to write on, in the middle of the array, as on a full disk."""
    process = run_python(FULL_DISK.format(frontend=asdict(SMALL)), corpus.root)
    assert process.communicate()[0].split() == [good.fingerprint, "1", "True"]
    assert not list(cache_root.glob("features/*"))


@pytest.mark.parametrize("where", ["a file", "under a file"])
def test_a_cache_folder_that_cannot_be_made_loses_no_work(corpus, good, tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUDIOLIB_CACHE", str(tmp_path / "file" / ("" if where == "a file" else "cache")))
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert_same(quiet_extract(corpus), good)


TWO_AT_ONCE = """
import sys
from audiolib import corpora
from audiolib.features import Frontend, extract
corpus = corpora.load(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(extract(corpus, Frontend(**{frontend}), progress=False).fingerprint)
"""


def test_two_processes_at_once_both_get_the_right_result(corpus, good, cache_root):
    code = TWO_AT_ONCE.format(frontend=asdict(SMALL))
    processes = [subprocess.Popen([sys.executable, "-c", code, str(corpus.root)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    assert [process.communicate("go\n")[0].strip() for process in processes] == [good.fingerprint] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(quiet_extract(corpus), good)


def test_a_writer_that_comes_second_is_whole_too(corpus, good, cache_root, monkeypatch):
    """Between the look into the cache and the writing, another process has written the same."""
    look = _cache.load
    monkeypatch.setattr(_cache, "load", lambda key: None)
    for _ in range(2):
        assert_same(quiet_extract(corpus), good)
    monkeypatch.setattr(_cache, "load", look)
    monkeypatch.setattr("audiolib.features._run", None)
    assert_same(quiet_extract(corpus), good)


def test_a_result_in_use_survives_its_cache(corpus, cache_root):
    quiet_extract(corpus)
    made = quiet_extract(corpus)
    before = made.x.copy()
    only(cache_root, ".npy").unlink()
    np.testing.assert_array_equal(made.x, before)
