"""Many recipes on many cores, and one small JSON record of each run.

A *study* is a list of recipes (``studies`` names those of the book). Each is a task for joblib's processes on this
machine or for a dask cluster by its address. What has a record is skipped. A record appears only when it is complete
and carries a checksum; a run that is interrupted, by Ctrl-C or the loss of its worker, goes on from its last checkpoint
the next time. Records are read with ``load``, summed up with ``table`` and compared with ``compare``.
"""

from __future__ import annotations

import functools
import os
import threading
import time
import warnings
from collections import defaultdict
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from audiolib import AudiolibError
from audiolib._checkpoint import check_writable, remove, write_npz
from audiolib.records import compare, load, make_record, read_record, table, write_record

__all__ = ["compare", "load", "make_record", "read_record", "run", "table", "write_record"]

RETRIES = 3  # how often the loss of a worker is forgiven
WATCH_SECONDS = 2  # between two looks of a worker whether its study is still there
ANSWER_SECONDS = 20  # that a dask scheduler has to answer


def run(
    recipes,
    *,
    folder="results",
    jobs=1,
    threads=None,
    address=None,
    checkpoints=None,
    every=30.0,
    weights=False,
    progress=True,
):
    """Do all recipes that have no record yet.

    Parameters
    ----------
    recipes : sequence of Recipe
        Done in this order.
    folder : path
        Where the records go.
    jobs : int
        Runs at a time, each in a process of its own (-1: one a core). With 1 they run here.
    threads : int, optional
        Cores for each run; by default those of the machine divided by the jobs.
    address : str, optional
        Of a dask scheduler, ``"tcp://host:8786"``; its workers then do the runs instead, one at a time each. They need
        the library and the data; the records come back here.
    checkpoints : path, optional
        Where unfinished runs are kept; default ``runs`` below the cache root.
    every : float
        Least seconds between two checkpoints of a run.
    weights : bool
        Whether to keep the final weights, as ``.npz`` beside each record.
    progress : bool
        Whether to show bars: of the study, and with one job of the epochs.

    Returns
    -------
    list of dict
        The records, in the order of the recipes.

    Raises
    ------
    AudiolibError
        If the folder cannot be written, a record in it is damaged, or a recipe does not work; the other runs are
        finished and recorded first.
    """
    recipes, folder = list(dict.fromkeys(recipes)), Path(folder)
    check_writable(folder)
    todo = [recipe for recipe in recipes if not _is_recorded(recipe, folder)]  # a damaged record is told of here
    jobs = os.cpu_count() if jobs == -1 else jobs
    if jobs < 1:
        raise AudiolibError(f"jobs={jobs}: at least one run at a time is needed (-1: one a core)")
    if threads is None and (jobs > 1 or address):
        threads = 1 if address else max(1, os.cpu_count() // jobs)
    options = {
        "checkpoints": checkpoints and str(Path(checkpoints).resolve()),
        "threads": threads,
        "every": every,
        "weights": weights,
        "study": os.getpid(),
        "progress": progress and jobs == 1 and address is None,
    }
    bar = tqdm(total=len(recipes), initial=len(recipes) - len(todo), unit="run", desc="study", disable=not progress)
    failed = defaultdict(list)  # message: names of the recipes
    results = _on_dask(todo, address, options) if address else _on_joblib(todo, folder, jobs, options)
    for result in results:
        if record := result.get("record"):
            _keep(result, folder)
            bar.set_postfix_str(f"{result['recipe'].name}: {record['test']['track_accuracy']['value']:.1%} of tracks")
        elif error := result.get("error"):
            failed[error].append(result["recipe"].name)
            tqdm.write(f"{result['recipe'].name}: {error}")
        bar.update()
    bar.close()
    if failed:
        number = sum(map(len, failed.values()))
        first = (names[0] + f" and {len(names) - 1} more" * (len(names) > 1) for names in failed.values())
        told = "; ".join(f"{name}: {error}" for name, error in zip(first, failed, strict=True))
        raise AudiolibError(f"{number} of {len(recipes)} recipes did not work: {told}")
    return [read_record(_path(recipe, folder)) for recipe in recipes]


def _task(recipe, options):
    """In the worker: train, and give the record, or the message of what is wrong with the recipe."""
    from audiolib import training
    from audiolib.corpora import cache_root

    if os.getppid() == options["study"]:  # not here, nor on a cluster
        _end_with(options["study"])
    try:
        if options["threads"]:
            training.set_threads(options["threads"])
        checkpoints = options["checkpoints"] or cache_root() / "runs"
        result = training.train(
            recipe, folder=checkpoints, every=options["every"], progress=options["progress"]
        )
        return {
            "recipe": recipe,
            "record": make_record(result),
            "weights": result.model.get_weights() if options["weights"] else None,
            "checkpoint": str(Path(checkpoints) / f"{recipe.name}.npz"),
        }
    except AudiolibError as error:
        return {"recipe": recipe, "error": str(error)}
    except Exception as error:  # whatever it is, the other runs of the study go on
        return {"recipe": recipe, "error": f"an error that nobody foresaw, {type(error).__name__}: {error}"}


@functools.cache
def _end_with(study):
    """Let this worker end when its study was killed; it would go on for hours, and nobody would take the result."""

    def watch():
        while os.getppid() == study:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _keep(result, folder):
    """Write what came back. Only then is the checkpoint of no more use (on another machine it stays, in its cache)."""
    if result["weights"]:
        arrays = {f"{number:04d}": weight for number, weight in enumerate(result["weights"])}
        write_npz(folder / f"{result['recipe'].name}.npz", arrays)
    write_record(result["record"], folder)
    remove(result["checkpoint"])


def _on_joblib(todo, folder, jobs, options):
    """Results as they come. joblib gives up all of its processes when one is lost, so what is left starts again."""
    import joblib
    from joblib.externals.loky import get_reusable_executor

    if jobs > 1:  # processes that other work has left hold that work's environment (AUDIOLIB_DATA) and threads
        get_reusable_executor().shutdown(wait=True)
    todo = list(todo)
    for attempt in range(RETRIES + 1):
        # Tasks are handed out one by one, so that what another study records meanwhile is not done twice.
        waiting = list(todo)
        tasks = (joblib.delayed(_task)(recipe, options) for recipe in waiting if not _path(recipe, folder).exists())
        try:
            parallel = joblib.Parallel(jobs, return_as="generator_unordered", pre_dispatch=jobs, batch_size=1)
            for result in parallel(tasks):
                todo.remove(result["recipe"])
                yield result
            yield from ({"recipe": recipe} for recipe in todo)  # another study has recorded these meanwhile
            return
        except BrokenProcessPool as error:
            if attempt == RETRIES:
                first = str(error).splitlines()[0]  # of a page
                raise AudiolibError(
                    f"a worker process was lost {RETRIES + 1} times ({first}); is there memory for {jobs} runs? "
                    "Finished runs are recorded: call again with fewer jobs"
                ) from error
            warnings.warn(f"a worker process was lost; {len(todo)} runs go on from their checkpoints", stacklevel=3)


def _on_dask(todo, address, options):
    """Results as they come from the workers of a cluster; dask itself hands the task of a lost worker to another."""
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise AudiolibError(f"no dask scheduler answers at {address} ({error})") from error
    with client:
        threads = set(client.nthreads().values())
        if threads - {1}:
            raise AudiolibError(
                f"the workers of {address} run {max(threads)} tasks at a time in one process, where Keras cannot; "
                "start them with `dask worker ADDRESS --nthreads 1 --nworkers N`"
            )
        futures = {client.submit(_task, recipe, options, pure=False, retries=RETRIES): recipe for recipe in todo}
        for future in as_completed(futures):
            if future.status == "finished":
                yield future.result()
            else:
                yield {"recipe": futures[future], "error": f"its worker failed: {future.exception()}"}


def _path(recipe, folder):
    return folder / f"{recipe.name}.json"


def _is_recorded(recipe, folder):
    path = _path(recipe, folder)
    if not path.exists():
        return False
    if read_record(path)["recipe"] != recipe.to_dict():
        raise AudiolibError(f"{path} is the record of another recipe; give it back its name or delete it")
    return True
