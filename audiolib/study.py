"""Many recipes (a *study*) on many cores or a dask cluster, and a record of each run.

What has a record is skipped. A record appears only when it is whole; a run that is interrupted, by Ctrl-C or the loss
of its worker, goes on from its last checkpoint the next time.
"""

import functools
import json
import os
import tempfile
import threading
import time
import warnings
from collections import defaultdict
from concurrent.futures import BrokenExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from audiolib import AudiolibError, records
from audiolib._checkpoint import check_writable, remove, write_npz
from audiolib._checks import whole

WATCH_SECONDS = 2  # between two looks of a worker whether its study is still there
ANSWER_SECONDS = 20  # that a dask scheduler has to answer


def run(recipes, *, folder="results", jobs=1, threads=None, address=None, checkpoints=None, every=30.0, weights=False,
        choice=None, progress=True):  # fmt: skip
    """Do all recipes that have no record yet, in their order; the list of all their records.

    Parameters
    ----------
    recipes : sequence of Recipe
    folder, checkpoints : path
        Where the records go, and unfinished runs (default: ``runs`` below the cache root).
    jobs : int
        Runs at a time, each in a process of its own (-1: one a core). With 1 they run here.
    threads : int, optional
        Cores for each run; by default those of the machine divided by the jobs.
    address : str, optional
        Of a dask scheduler, ``"tcp://host:8786"``, whose workers do the runs instead, one at a time each. They need the
        library and the data; the records come back here.
    weights : bool
        Whether to keep the final weights, as ``.npz`` beside each record.
    choice : dict, optional
        How the recipes were chosen, for the records; see ``recipes.CHOICES``.
    every, progress
        As in ``training.train``; epochs have a bar only where runs do not go side by side.

    Raises
    ------
    AudiolibError
        Before anything runs if the folder cannot be written, or a record in it is damaged or of other data; when the
        others are done and recorded if a recipe does not work; at once if a worker is lost.
    """
    recipes, folder = list(dict.fromkeys(recipes)), Path(folder).resolve()
    jobs = os.cpu_count() if jobs == -1 else whole("jobs (-1: one a core)", jobs)
    check_writable(folder)
    done = _done(recipes, folder, progress)
    todo = [recipe for recipe in recipes if recipe not in done]
    if threads is None and (jobs > 1 or address):
        threads = 1 if address else max(1, os.cpu_count() // jobs)
    options = {
        "folder": None if address else folder,
        "checkpoints": checkpoints and Path(checkpoints).resolve(),
        "threads": threads,
        "weights": weights,
        "told": {"choice": choice, "origin": records.origin()},
        "training": {"every": every, "progress": progress and jobs == 1 and address is None},
    }
    bar = tqdm(total=len(recipes), initial=len(done), unit="run", desc="study", disable=not progress)
    failed = defaultdict(list)  # message: names of the recipes
    with bar, closing(_results(todo, jobs, address, options)) as results:
        for result in results:
            name = result["recipe"].name
            if record := result.get("record"):
                if result["weights"]:
                    write_npz(folder / f"{name}.npz", result["weights"])
                records.write(record, folder)
                remove(result["checkpoint"])  # of no more use (on another machine it stays, in its cache)
                bar.set_postfix_str(f"{name}: {record['test']['track_accuracy']['value']:.1%} of tracks")
            elif error := result.get("error"):
                failed[error].append(name)
                bar.set_postfix_str(f"{name}: did not work")
            bar.update()
    if failed:
        number = sum(map(len, failed.values()))
        told = "; ".join(names[0] + f" and {len(names) - 1} more" * (len(names) > 1) + f": {error}"
                         for error, names in failed.items())  # fmt: skip
        raise AudiolibError(f"{number} of {len(recipes)} recipes did not work: {told}")
    return [records.find(recipe, folder) for recipe in recipes]


def verify(recipes, number, *, folder="results", draw=None, threads=None, progress=True):
    """Train some recorded recipes anew: those of the shortest trainings, or with the seed ``draw`` random ones.

    For each a dict: ``name``, ``recorded`` and ``again`` (accuracies of tracks with their intervals), and ``within``:
    whether the accuracies of segments and of tracks are within the recorded intervals.
    """
    done = _done(recipes, Path(folder), progress)
    chosen = sorted(done, key=lambda recipe: (done[recipe]["seconds"], recipe.key))
    if not whole("verify", number) <= len(chosen):
        raise AudiolibError(f"verify={number}: {folder} has {len(chosen)} records of these recipes; ask for fewer")
    if draw is not None:
        chosen = [chosen[place] for place in np.random.default_rng(draw).permutation(len(chosen))]
    with tempfile.TemporaryDirectory() as apart:
        fresh = run(chosen[:number], folder=apart, checkpoints=apart, threads=threads, progress=progress)
    result = []
    for recipe, record in zip(chosen, fresh, strict=False):
        old, new = done[recipe]["test"], record["test"]
        within = all(old[name]["low"] <= new[name]["value"] <= old[name]["high"] for name in records.ACCURACIES)
        told = {"recorded": old["track_accuracy"], "again": new["track_accuracy"], "within": within}
        result.append({"name": recipe.name, **told})
    return result


def _done(recipes, folder, progress):
    """The records of those recipes that have one, by recipe, each compared with the data that are here."""
    from audiolib import training

    @functools.cache  # recipes share their data
    def here(corpus, frontend):
        try:
            return training.describe(training.load_features(recipe, progress=progress))
        except AudiolibError as error:
            warnings.warn(f"records of {corpus} are taken unchecked, without data ({error})", stacklevel=5)

    done, differ = {}, set()
    for recipe in recipes:
        if records.path_of(recipe, folder).exists():
            data = here(recipe.corpus, json.dumps(recipe.frontend))
            done[recipe] = record = records.find(recipe, folder, data)
            if data and record["data"]["fingerprint"] != data["fingerprint"]:
                differ.add(recipe.corpus)
    if differ:
        warnings.warn(f"{', '.join(sorted(differ))}: records of these same clips are taken, though their features are "
                      "not the same to the last bit (another processor or other versions of libraries)", stacklevel=3)
    return done


def _results(todo, jobs, address, options):
    """What became of each recipe, as it comes."""
    if jobs == 1 and not address:
        yield from (_task(recipe, options) for recipe in todo)
    elif todo:
        lost = None
        with _cluster(address) if address else _processes(min(jobs, len(todo))) as executor:
            futures = {executor.submit(_task, recipe, options): recipe for recipe in todo}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenExecutor as error:  # of all that wait; what is finished still comes
                    lost = error
                except Exception as error:
                    yield {"recipe": futures[future], "error": f"its worker failed: {error}"}
        if lost:  # its message is a page
            raise AudiolibError(f"a worker process was lost ({str(lost).splitlines()[0]}); is there memory for {jobs} "
                                "runs? Finished runs are recorded; call again, perhaps with fewer jobs, and the others "
                                "go on from their checkpoints") from lost  # fmt: skip


@contextmanager
def _processes(jobs):
    """Processes of our own: those that joblib keeps for all its users have other work, threads and environment."""
    from joblib.externals.loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(jobs, initializer=_end_with, initargs=(os.getpid(),))
    try:
        yield executor
    finally:
        executor.shutdown(kill_workers=True)


@contextmanager
def _cluster(address):
    from distributed import Client

    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise AudiolibError(f"no dask scheduler answers at {address} ({error})") from error
    with client:
        most = max(client.nthreads().values(), default=1)
        if most > 1:
            raise AudiolibError(f"the workers of {address} run {most} tasks at a time in one process, where Keras "
                                "cannot; start them with `dask worker ADDRESS --nthreads 1 --nworkers N`")  # fmt: skip
        yield client.get_executor(pure=False)


def _end_with(study):
    """Let this worker end when its study was killed; it would go on for hours, and nobody would take the result."""

    def watch():
        while os.getppid() == study:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _task(recipe, options):
    """In the worker: train, and give the record, or the message of what is wrong with the recipe."""
    from audiolib import training
    from audiolib.corpora import cache_root

    if options["folder"] and records.path_of(recipe, options["folder"]).exists():
        return {"recipe": recipe}  # another study has recorded it meanwhile
    try:
        if options["threads"]:
            training.set_threads(options["threads"])
        checkpoints = options["checkpoints"] or cache_root() / "runs"
        result = training.train(recipe, folder=checkpoints, **options["training"])
        return {
            "recipe": recipe,
            "record": records.make(result, **options["told"]),
            "weights": result.model.get_weights() if options["weights"] else None,
            "checkpoint": checkpoints / f"{recipe.name}.npz",
        }
    except AudiolibError as error:
        return {"recipe": recipe, "error": str(error)}
    except Exception as error:  # whatever it is, the other runs of the study go on
        return {"recipe": recipe, "error": f"an error that nobody foresaw, {type(error).__name__}: {error}"}
