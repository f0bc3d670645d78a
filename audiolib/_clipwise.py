"""One function for every clip of a corpus, on all cores; a clip that cannot be used costs none of the others."""

import warnings

import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from audiolib import AudiolibError


def clipwise(function, corpus, *, jobs=None, progress=True, what="features"):
    """Results of a function of each clip, in the corpus's order, as they come; parallel as `extract` says.

    Parameters
    ----------
    function : callable
        Takes a `Clip`; must be importable (or a `functools.partial` of such), to be sent to other processes.
    corpus : Corpus
    jobs : int, optional
    progress : bool
    what : str
        Word beside the progress bar.

    Yields
    ------
    (result, None, False) or (None, str, bool)
        What the function returned; or the reason why the clip cannot be used, without the file's path, and whether it
        may pass because it lies in the machine and not in the file.
    """
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0):
        raise AudiolibError(f"jobs={jobs!r}: must be a whole number, or -1 for one a core")
    if jobs is None and joblib.parallel.get_active_backend()[1] is None:
        jobs = -1  # nobody said anything, and joblib alone would take one core
    work = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    results = work(joblib.delayed(_attempt)(function, clip) for clip in corpus.clips)
    # One BLAS thread a clip: the cores are busy with clips already.
    with threadpool_limits(1):
        yield from tqdm(results, f"{corpus.name}: {what}", len(corpus), leave=False, unit="clip", disable=not progress)


def warn_skipped(corpus, skipped):
    """One warning for all skipped clips: how many, and the first few with their reasons."""
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
        passing = isinstance(error.__cause__ if isinstance(error, AudiolibError) else error, OSError | MemoryError)
        reason = str(error) if isinstance(error, AudiolibError) else f"{type(error).__name__} {error}".strip()
        reason = reason.removeprefix(f"{clip.path}: ").replace(str(clip.path), clip.path.name)
        return None, f"{reason} (this may pass: try again)" if passing else reason, passing
