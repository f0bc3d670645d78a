"""One function for every clip: the same for any number of workers, here, in other processes and on a cluster."""

import warnings

import joblib
import pytest
from toys import quiet_extract, write_corpus

from audiolib import AudiolibError
from audiolib._clipwise import clipwise, warn_skipped


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus")


@pytest.mark.parametrize("jobs", [1, 2, -1])
def test_is_the_same_for_any_number_of_jobs(corpus, jobs):
    assert quiet_extract(corpus, jobs=jobs, cache=False).fingerprint == quiet_extract(corpus).fingerprint


@pytest.mark.parametrize("jobs", [0, 1.5, "2", True])
def test_jobs_that_are_no_number_of_jobs_are_refused(corpus, jobs):
    with pytest.raises(AudiolibError, match="jobs="):
        quiet_extract(corpus, jobs=jobs)


def test_works_in_other_processes(corpus):
    with joblib.parallel_config("loky", n_jobs=2):
        made = quiet_extract(corpus, cache=False)
    assert made.fingerprint == quiet_extract(corpus).fingerprint


def test_works_on_a_dask_cluster(corpus):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with (distributed.LocalCluster(**options) as cluster, distributed.Client(cluster),
          joblib.parallel_config("dask")):
        made = quiet_extract(corpus, cache=False)
    assert made.fingerprint == quiet_extract(corpus).fingerprint


def test_joblibs_own_setting_of_jobs_is_heeded(corpus, monkeypatch):
    asked = []
    real = joblib.Parallel
    monkeypatch.setattr(joblib, "Parallel", lambda **options: asked.append(real(**options)) or asked[-1])
    quiet_extract(corpus, cache=False)
    with joblib.parallel_config(n_jobs=1):
        quiet_extract(corpus, cache=False)
    quiet_extract(corpus, cache=False, jobs=2)
    assert [parallel.n_jobs for parallel in asked] == [-1, 1, 2]


def _odd(clip):
    if clip.name.endswith("/1"):
        raise AudiolibError(f"{clip.path}: not to be used")
    if clip.name.endswith("/2"):
        raise OSError(24, "Too many open files")
    return clip.name


def test_one_clip_costs_none_of_the_others_and_what_may_pass_is_told(corpus):
    results = list(clipwise(_odd, corpus, jobs=2, progress=False))
    assert results[0] == ("drum/0", None, False)
    assert results[1] == (None, "not to be used", False)
    assert results[2][0] is None and results[2][2] and "this may pass" in results[2][1]
    assert len(results) == 6


def test_what_is_skipped_is_told_in_one_warning_with_a_count(corpus):
    with pytest.warns(UserWarning, match=r"4 of 6 clips skipped: a: x; a: x; a: x; \.\.\.") as told:
        warn_skipped(corpus, [("a", "x")] * 4)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_skipped(corpus, [])
