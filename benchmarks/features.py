"""``python benchmarks/features.py``: how fast features are made and loaded, each as a ratio within one run.

What is compared: `audiolib.features.extract` without its cache, on one core and on all, against the loop over librosa
that a reader would write, on the same clips, decoding included. Repeats are interleaved, so that whatever else the
machine does falls on all alike, and the median of the ratios is printed. Then the cache: a cold call against the next.
Peak memory is that of a fresh process that extracts once, beside the size of the result.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from unittest import mock

import click
import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from audiolib import AudiolibError, corpora
from audiolib.features import LOG_MEL, PAPER_MFCC, extract

_FRONTENDS = {"mel": LOG_MEL, "mfcc": PAPER_MFCC}


def librosa_loop(corpus, kind):
    """Features as a reader would write it, without this library: [segment, frame, band]."""
    import librosa

    segments = []
    for clip in corpus.clips:
        y, sr = librosa.load(clip.path, sr=22050)
        for start in range(0, len(y) - 3 * sr + 1, 3 * sr):
            cut = y[start : start + 3 * sr]
            if kind == "mfcc":
                segments.append(librosa.feature.mfcc(y=cut, sr=sr, n_mfcc=13).T)
            else:
                segments.append(librosa.power_to_db(librosa.feature.melspectrogram(y=cut, sr=sr)).T)
    return np.stack(segments)


def seconds(function, *args, **options):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - start


def compare(corpus, kind, repeats):
    """Times in s of the loop, of one core and of all cores: three lists, one entry a repeat."""
    cores = joblib.cpu_count()
    ways = {
        "loop": threadpool_limits.wrap(1)(lambda: librosa_loop(corpus, kind)),  # one core, like its rival
        "one": lambda: extract(corpus, _FRONTENDS[kind], jobs=1, cache=False, progress=False),
        "all": lambda: extract(corpus, _FRONTENDS[kind], jobs=cores, cache=False, progress=False),
    }
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(seconds(way))
    return times


def cache_times(corpus, frontend, repeats):
    """Times in s of cold calls, of cached calls, and of cached calls whose every number is then read."""
    cold, warm, read = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict("os.environ", AUDIOLIB_CACHE=folder):
            cold.append(seconds(extract, corpus, frontend, progress=False))
            warm.append(median(seconds(extract, corpus, frontend, progress=False) for _ in range(5)))
            read.append(seconds(lambda: extract(corpus, frontend, progress=False).x.max()))
    return cold, warm, read


def peak_memory(name, clips):
    """Peak resident memory in MB of a process that extracts the first clips, and the size of the result in MB."""
    code = f"import runpy; runpy.run_path({__file__!r})['_print_peak']({name!r}, {clips})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [float(word) for word in out.split()]


def _print_peak(name, clips):
    corpus = corpora.load(name)
    made = extract(replace(corpus, clips=corpus.clips[:: max(len(corpus) // clips, 1)]), cache=False, progress=False)
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage would count the process that started this one
        peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(peak / 1e6, made.x.nbytes / 1e6)


@click.command()
@click.option("--corpus", default="synthetic", show_default=True, help="A name or a folder.")
@click.option("--clips", default=100, show_default=True, help="Take at most so many, spread over the corpus.")
@click.option("--repeats", default=5, show_default=True)
def main(corpus, clips, repeats):
    """Measure speed and memory of the features, each as a ratio within one run."""
    try:
        name, corpus = corpus, corpora.load(corpus)
    except AudiolibError as error:
        raise click.ClickException(str(error)) from error
    corpus = replace(corpus, clips=corpus.clips[:: max(len(corpus) // clips, 1)])
    cores = joblib.cpu_count()
    segments = len(librosa_loop(corpus, "mel"))  # also loads and compiles all that is loaded only once
    click.echo(f"{corpus.name}: {len(corpus)} clips, {segments} segments of 3 s; {cores} cores; median of {repeats}")
    for kind in _FRONTENDS:
        seconds(extract, corpus, _FRONTENDS[kind], cache=False, progress=False)
        times = compare(corpus, kind, repeats)
        pairs = list(zip(*times.values(), strict=True))
        for row, entry in (("librosa loop", "loop"), ("1 core", "one"), (f"{cores} cores", "all")):
            click.echo(f"  {kind:5} {row:13} {segments / median(times[entry]):8.0f} segments a second")
        click.echo(f"  {kind:5} 1 core takes {median(one / loop for loop, one, _ in pairs):.2f} x the loop's time; "
                   f"{cores} cores are {median(one / many for _, one, many in pairs):.2f} x as fast as one")
    cold, warm, read = cache_times(corpus, LOG_MEL, repeats)
    ratios = [100 * median(w / c for w, c in zip(times, cold, strict=True)) for times in (warm, read)]
    click.echo(f"  cache cold {median(cold) * 1000:.0f} ms, cached {median(warm) * 1000:.1f} ms: {ratios[0]:.2f} % of "
               f"cold, {ratios[1]:.2f} % with every number read")
    few, many = (peak_memory(name, count) for count in (max(len(corpus) // 4, 1), len(corpus)))
    growth = (many[0] - few[0]) / max(many[1] - few[1], 1e-9)
    click.echo(f"  memory peak {many[0]:.0f} MB for a result of {many[1]:.0f} MB, {few[0]:.0f} MB for one of "
               f"{few[1]:.0f} MB: {growth:.2f} MB for each further MB of result")


if __name__ == "__main__":
    main()
