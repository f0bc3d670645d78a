"""Bad input to the features and their cache: a clear error or a loud, counted skip, and nothing is lost."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import asdict

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


def noise(count, channels=None):
    return np.random.default_rng(3).uniform(-0.5, 0.5, count if channels is None else (count, channels))


def only(folder, suffix):
    (path,) = folder.glob(f"features/*{suffix}")
    return path


# Audio that is strange but sound: (samples, rate, how it is written), with 0.5 s segments at 8000 Hz.

@pytest.mark.parametrize(("y", "sr", "options", "segments"), [
    (np.zeros(8000), 8000, {}, 2),
    (np.full(8000, 0.5), 8000, {}, 2),
    (np.full(8000, -1.0), 8000, {}, 2),
    (noise(4000), 8000, {}, 1),
    (noise(8000), 8000, {"subtype": "PCM_U8"}, 2),
    (noise(8000), 8000, {"subtype": "PCM_24"}, 2),
    (noise(8000) * 100, 8000, {"subtype": "FLOAT"}, 2),
    (noise(8000) * 1e-30, 8000, {"subtype": "DOUBLE"}, 2),
    (noise(8000, 2), 8000, {}, 2),
    (noise(8000, 6), 8000, {}, 2),
    (noise(11025), 11025, {}, 2),
    (noise(22050), 22050, {}, 2),
    (noise(44100), 44100, {}, 2),
    (noise(48000, 6), 48000, {}, 2),
    (noise(96000), 96000, {}, 2),
    (noise(192000), 192000, {}, 2),
], ids=["silent", "constant", "constant -1", "exactly one segment", "8 bit", "24 bit", "peak of 50", "denormal",
        "stereo", "6 channels", "11 kHz", "22 kHz", "44 kHz", "6 channels at 48 kHz", "96 kHz", "192 kHz"])
def test_strange_but_sound_audio_is_used(tmp_path, y, sr, options, segments):
    (tmp_path / "c" / "a").mkdir(parents=True)
    soundfile.write(tmp_path / "c/a/strange.wav", y, sr, **options)
    made = quiet_extract(corpora.load(tmp_path / "c"))
    assert made.x.shape == (segments, 32, 20) and np.isfinite(made.x).all() and made.skipped == ()


def wav(y, **options):
    return lambda path: soundfile.write(path, y, 8000, **options)


@pytest.mark.parametrize(("damage", "said"), [
    (wav(noise(1)), r"0\.000125 s long .1 samples"),
    (wav(noise(255)), "255 samples"),
    (wav(noise(3999)), r"3999 samples.*segment is 0\.5 s"),
    (wav(noise(0)), "no samples"),
    (wav(np.r_[noise(7999), np.nan], subtype="FLOAT"), "1 samples are NaN"),
    (wav(np.r_[noise(7999), np.inf], subtype="FLOAT"), "NaN or infinite"),
    (wav(noise(8000) * 1e30, subtype="FLOAT"), "scale the signal"),
    (lambda path: path.write_bytes(path.read_bytes()[:3000]), "truncated"),
    (lambda path: path.write_text("RIFF, but only in words"), "cannot be decoded"),
    (lambda path: path.write_bytes(b""), "empty file"),
    (lambda path: path.unlink(), "no such file"),
], ids=["one sample", "shorter than a window", "just too short", "no sample", "NaN", "infinite", "overflow",
        "truncated", "text", "empty", "gone since it was listed"])
def test_a_bad_clip_is_skipped_loudly_and_the_others_are_used(corpus, good, damage, said):
    damage(corpus.clips[1].path)
    for _ in "cold", "cached":
        with pytest.warns(UserWarning, match=r"corpus: 1 of 6 clips skipped: drum/1: ") as caught:
            made = quiet_extract(corpus)
        assert len(caught) == 1
        assert made.names == ("drum/0", "drum/2", "flute/0", "flute/1", "flute/2")
        ((name, reason),) = made.skipped
        assert name == "drum/1" and re.search(said, reason)
        np.testing.assert_array_equal(made.x, good.x[good.clip != 1])
        assert made.clip.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert made.digests == tuple(good.digests[i] for i in (0, 2, 3, 4, 5))


def test_many_bad_clips_are_one_warning_with_the_first_few(tmp_path):
    corpus = write_corpus(tmp_path / "c", clips=10)
    for clip in corpus.clips[3:]:
        clip.path.write_text("not audio")
    with pytest.warns(UserWarning, match="17 of 20 clips skipped: .*drum/5.*all in Features.skipped") as caught:
        made = quiet_extract(corpus)
    assert len(caught) == 1 and len(str(caught[0].message)) < 1500
    assert len(made.skipped) == 17 and made.tracks == 3
    assert made.labels == ("drum", "flute"), "the classes are the corpus's, even if one has lost all its clips"


def test_a_corpus_without_one_good_clip_is_an_error_that_names_the_first(corpus):
    with pytest.raises(AudiolibError, match=r"none of its 6 clips can be used; the first: drum/0: 1\.3 s long"):
        quiet_extract(corpus, Frontend(sample_rate=8000, n_fft=512, n_mels=40))


# The _cache. Whatever happens to it, the result is right.

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


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"x": 3}', None])
def test_a_damaged_index_of_digests_costs_only_time(corpus, cache_root, monkeypatch, content):
    monkeypatch.setattr(_cache, "YOUNG_NS", -1)
    paths = [clip.path for clip in corpus.clips]
    right = _cache.digests(paths)
    (index,) = cache_root.glob("digests/*.json")
    if content is None:  # well-formed, but the entries are not
        content = json.dumps({str(path): [1, 2] for path in paths})
    index.write_text(content)
    assert _cache.digests(paths) == right


def test_a_touched_cache_is_checked_and_used(corpus, cache_root, monkeypatch):
    """Copied to another disk, say: other times and inode, same content."""
    first = quiet_extract(corpus)
    os.utime(only(cache_root, ".npy"), ns=(1, 1))
    monkeypatch.setattr("audiolib.features._run", None)
    assert_same(quiet_extract(corpus), first)


SLOW_SAVE = """
import os, sys, time
import numpy as np
from audiolib import _cache, corpora
from audiolib.features import Frontend, extract

def save(file, x, **options):
    file.write(b"\\x93NUMPY and then nothing")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)

if {stage!r} == "data":
    np.save = save
else:
    os.replace = lambda *names: (print("writing", flush=True), time.sleep(60))
extract(corpora.load(sys.argv[1]), Frontend(**{frontend}), progress=False)
"""


def run_python(code, *args):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stage", ["data", "manifest"])
def test_what_a_killed_process_left_is_not_used_and_is_swept_away(corpus, good, cache_root, stage):
    for clip in corpus.clips:  # settled files, so that the index is not what waits in os.replace
        os.utime(clip.path, ns=(1, 1))
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
