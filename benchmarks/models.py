"""Time networks on every Keras backend that is installed, in one run: ``python benchmarks/models.py``.

A backend is chosen when Keras is imported, so each runs in a process of its own; the processes take turns, one step
each, so that a busy moment of the machine hits all alike. Beside each time stands the share of the machine's speed that
the step reaches: its multiply-adds (a training step: forward, gradient of the weights, gradient of the input) against
what a product of two matrices does per second on the backend that is best at it. A training step also updates the
weights, which is memory traffic and not counted: for the networks of 21 million parameters it is half of the step.
On TensorFlow "by Keras" is the same training step with nothing but Keras's own (``train_on_batch``, its Adam, its batch
normalisation), so that the ratio of the two shows what `audiolib._keras` gains.

Chapters: 08_separable
"""

import importlib.util
import json
import os
import subprocess
import sys

import click
import numpy as np
from tqdm import tqdm

from audiolib import AudiolibError

#: Backend of Keras and whether TensorFlow compiles with XLA.
BACKENDS = {"tensorflow": (), "tensorflow+xla": ("--xla",), "jax": (), "torch": ()}
MATRIX = 2048
NETWORKS = "standard,separable,deep-separable,deep-standard,square"


def work(names, frames, bands, batch, threads, xla):
    """What runs in a process: answer each line with a task's number by the seconds that the task took."""
    import time

    from audiolib import cost, models, training
    from audiolib._keras import keras

    if threads:
        training.set_threads(threads)
    a = keras.ops.convert_to_tensor(np.random.default_rng(0).standard_normal((MATRIX, MATRIX), dtype=np.float32))
    tasks = [lambda: keras.ops.convert_to_numpy(keras.ops.matmul(a, a))]
    for name in names:
        model = models.build(name, frames=frames, bands=bands)
        for kind, n in steps(batch):
            if kind == "by Keras":
                tasks.append(step_by_keras(model, n, xla))
            else:
                tasks.append(cost.runner(model, batch=n, training=kind == "training", xla=xla))
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        tasks[int(line)]()
        print(time.perf_counter() - start, flush=True)


def step_by_keras(model, batch, xla):
    """A training step of a copy of a model that holds nothing but Keras's own layers and optimizer."""
    from audiolib._keras import BatchNormalization, keras

    def plain(layer):
        kind = keras.layers.BatchNormalization if isinstance(layer, BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=plain)
    copy.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=xla)
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, *model.input_shape[1:]), dtype=np.float32)
    y = random.integers(0, model.output_shape[-1], batch)
    return lambda: copy.train_on_batch(x, y)


def measure(names, *, frames, bands, batch=64, repeats=15, warm=2, threads=0, backends=tuple(BACKENDS), progress=True):
    """Seconds of each step on each backend.

    Returns
    -------
    dict
        Backend to float ndarray [task, repeat]; task 0 is the product of two matrices, then for each name the training
        step, the same by Keras, the inference of a batch and of one segment.
    """
    installed = [b for b in backends if importlib.util.find_spec(b.split("+")[0])]
    options = {"frames": frames, "bands": bands, "batch": batch, "threads": threads, "networks": ",".join(names)}
    options = [f"--{name}={value}" for name, value in options.items()]
    workers = {}
    try:
        for name in installed:
            environment = {**os.environ, "KERAS_BACKEND": name.split("+")[0]}
            command = [sys.executable, __file__, "--worker", *options, *BACKENDS[name]]
            workers[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        for name, worker in workers.items():
            if worker.stdout.readline().strip() != "ready":
                raise AudiolibError(f"the process for {name} did not start; its own message stands above")
        tasks = 1 + len(names) * len(steps(batch))
        seconds = {name: np.empty((tasks, warm + repeats)) for name in workers}
        for turn in tqdm(range(warm + repeats), disable=not progress, desc="rounds"):
            for task in range(tasks):
                for name, worker in workers.items():
                    print(task, file=worker.stdin, flush=True)
                    seconds[name][task, turn] = float(worker.stdout.readline())
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()
    return {name: values[:, warm:] for name, values in seconds.items()}


def report(names, seconds, *, frames, bands, batch):
    """The table, as JSON rows: times with intervals, share of the matrix speed, ratio to TensorFlow."""
    from audiolib import cost, models

    rows, task = [], 1
    speed = {b: 2 * MATRIX**3 / cost.median_interval(values[0]).median for b, values in seconds.items()}
    limit = max(speed.values())
    for name in names:
        bill = cost.layers(models.build(name, frames=frames, bands=bands))
        forward = sum(row.multiply_adds for row in bill)
        first = next(row.multiply_adds for row in bill if row.multiply_adds)
        for kind, n in steps(batch):
            # The first layer's input needs no gradient.
            operations = 2 * n * (forward if kind == "inference" else 3 * forward - first)
            for backend, values in seconds.items():
                time = cost.median_interval(values[task])
                ratio = cost.median_interval(values[task] / seconds["tensorflow"][task])
                rows.append(
                    dict(network=name, step=kind, segments=n, backend=backend,
                         ms=[1e3 * t for t in time[:3]], of_matrix_speed=operations / time.median / limit,
                         ratio_to_tensorflow=list(ratio[:3]))
                )  # fmt: skip
                if kind == "by Keras":
                    gain = cost.median_interval(values[task] / values[task - 1])
                    rows[-1]["times_training"] = list(gain[:3])
            task += 1
    return {"matrix_gflops": {b: s / 1e9 for b, s in speed.items()}, "rows": rows}


def steps(batch):
    """What is timed of each network, and with how many segments."""
    return ("training", batch), ("by Keras", batch), ("inference", batch), ("inference", 1)


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--frames", default=130, show_default=True)
@click.option("--bands", default=13, show_default=True)
@click.option("--batch", default=64, show_default=True, help="Segments of a training step.")
@click.option("--repeats", default=15, show_default=True, help="Rounds that count, 6 or more.")
@click.option("--threads", default=0, help="Cores for TensorFlow; default: all.")
@click.option("--networks", "only", default=NETWORKS, show_default=True, help="Names with commas between them, or all.")
@click.option("--backends", default=",".join(BACKENDS), show_default=True, help="Those not installed are left out.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Write the table to this file, too.")
@click.option("--worker", is_flag=True, hidden=True)
@click.option("--xla", is_flag=True, hidden=True)
def main(frames, bands, batch, repeats, threads, only, backends, path, worker, xla):
    from audiolib import networks

    names = networks.NAMES if only == "all" else only.split(",")
    if worker:
        return work(names, frames, bands, batch, threads, xla)
    for name in names:
        networks.frames_needed(name)  # refuses an unknown name before any process starts
    size = {"frames": frames, "bands": bands, "batch": batch}
    seconds = measure(names, repeats=repeats, threads=threads, backends=backends.split(","), **size)
    table = report(names, seconds, **size)
    if path:
        with open(path, "w") as file:
            json.dump(table, file, indent=1)
    for backend, speed in table["matrix_gflops"].items():
        click.echo(f"the limit, a product of two {MATRIX} x {MATRIX} matrices on {backend}: {speed:.0f} GFLOP/s")
    click.echo(f"\n{frames} frames x {bands} bands; median [95 % interval], share of the limit, ratio to tensorflow")
    for r in table["rows"]:
        ms, ratio = r["ms"], r["ratio_to_tensorflow"]
        gain = "  {:.2f} [{:.2f}, {:.2f}] x training".format(*r["times_training"]) if "times_training" in r else ""
        click.echo(
            f"{r['network']:17}{r['step']:10}{r['segments']:4}  {r['backend']:15}"
            f"{ms[0]:8.1f} ms [{ms[1]:6.1f}, {ms[2]:6.1f}]{r['of_matrix_speed']:6.0%}"
            f"{ratio[0]:7.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]{gain}"
        )


if __name__ == "__main__":
    main()
