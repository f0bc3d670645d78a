"""One function for every clip of a corpus, on all cores; a clip that cannot be used costs none of the others."""

import warnings

import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from audiolib import AudiolibError, _checks


def clipwise(function, corpus, *, jobs=None, progress=True, what="features"):
    """Results of a function of each clip, in the corpus's order, as they come; parallel as `extract` says.

    The function must be importable (or a `functools.partial` of such), to be sent to other processes; `what` stands
    beside the bar. Yields ``(result, None, False)``, or for a clip that cannot be used ``(None, reason, passing)``: the
    reason without the file's path, and whether it may pass because it lies in the machine and not in the file.
    """
    if jobs is None and joblib.parallel.get_active_backend()[1] is None:
        jobs = -1  # nobody said anything, and joblib alone would take one core
    if jobs is not None and _checks.whole("jobs", jobs, least=-_checks.LARGEST) == 0:
        raise AudiolibError("jobs=0: nobody would work; choose a number of jobs, or -1 for one a core")
    work = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    results = work(joblib.delayed(_attempt)(function, clip) for clip in corpus.clips)
    # One BLAS thread a clip: the cores are busy with clips already.
    with threadpool_limits(1):
        yield from tqdm(results, f"{corpus.name}: {what}", len(corpus), leave=False, unit="clip", disable=not progress)


def warn_skipped(corpus, skipped):
    """One warning for all skipped clips: how many, and the first few with their reasons; an error if none is left."""
    if len(skipped) == len(corpus):
        first = "".join(f"; the first: {name}: {reason}" for name, reason in skipped[:1])
        raise AudiolibError(f"{corpus.name} ({corpus.root}): none of its {len(corpus)} clips can be used{first}")
    if skipped:
        few = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        more = "; ... (all in Features.skipped)" if len(skipped) > 3 else ""
        warnings.warn(f"{corpus.name}: {len(skipped)} of {len(corpus)} clips skipped: {few}{more}", stacklevel=3)


def _attempt(function, clip):
    try:
        return function(clip), None, False
    except RuntimeError as error:
        if "no locator" not in str(error):
            raise
        raise AudiolibError("the libraries find no folder to keep compiled code in: neither your home nor their own "
                            "place can be written; let AUDIOLIB_CACHE name a folder that you may write to") from error
    except (AudiolibError, OSError, MemoryError) as error:
        # By convention whoever turns a failure of the system into an AudiolibError keeps it as the cause; that is told
        # here, in the worker, since a cause does not travel between processes. A refused content has another cause.
        ours = isinstance(error, AudiolibError)
        passing = isinstance(error.__cause__ if ours else error, OSError | MemoryError)
        reason = str(error) if ours else f"{type(error).__name__} {error}".strip()
        reason = reason.removeprefix(f"{clip.path}: ").replace(str(clip.path), clip.path.name)
        return None, reason + " (this may pass: try again)" * passing, passing
