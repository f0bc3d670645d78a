"""Train, keep and examine the network that the package brings: ``python benchmarks/genres.py``.

Needs ``gtzan-logmel.npz`` (and for the examination by sound gtzan-mini) in the data root. What is recorded is not
trained again, if its weights lie beside the record. Of the study ``listen`` `chosen` takes one by its accuracy on the
validation part, as it is and through other equalisers, bandwidths, levels and noise.
"""

import io
import tempfile
import warnings
from pathlib import Path

import av
import click
import numpy as np
import scipy.signal
import soundfile

from audiolib import AudiolibError, corpora, evaluation, listen, protocols, recipes, study, training

LICENCE = "weights: MIT, as the library; trained on GTZAN, which states no licence (research use)"
UNKNOWN = ("music outside the ten genres, for which it has no word; speech and noise; whole decades and countries that "
           "GTZAN's collectors did not own; labels of GTZAN that are disputed")


def equalised(x, seed=0):
    """Levels [segment, frame, band] through an equaliser of its own for each segment, 6 dB strong."""
    return x + training.equaliser(len(x), x.shape[2], 6, np.random.default_rng(seed))[:, None, :]


def low_passed(x, hz=8000):
    """Levels without what is above a frequency."""
    import librosa

    above = np.arange(x.shape[2]) - np.searchsorted(librosa.mel_frequencies(x.shape[2], fmin=0, fmax=11025), hz)
    return x - np.clip(10 * above, 0, 90)


#: Changes of the archive's levels.
CHANGES = {
    "as it is": None,
    "another equaliser": equalised,
    "nothing above 8 kHz": low_passed,
    "20 dB less": lambda x: np.maximum(x - 20, -100),
    "noise 40 dB below the loudest":
        lambda x: 10 * np.log10(10 ** (x / 10) + 10 ** ((x.max(axis=(1, 2), keepdims=True) - 40) / 10)),
}  # fmt: skip


def mp3(y, sr, bit_rate=64_000):
    """The signal after a codec: MP3 at 64 kbit/s."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as writer:
        stream = writer.add_stream("mp3", rate=sr, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray((np.clip(y, -1, 1) * 32767).astype(np.int16)[None], "s16p", "mono")
        frame.sample_rate = sr
        writer.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue(), ".mp3"


def _wav(y, sr):
    file = io.BytesIO()
    soundfile.write(file, y, sr, format="WAV", subtype="FLOAT")
    return file.getvalue(), ".wav"


#: What is done to sound before it is heard.
CODECS = {
    "as it is": _wav,
    "MP3 at 64 kbit/s": mp3,
    "nothing above 8 kHz": lambda y, sr: _wav(scipy.signal.sosfiltfilt(
        scipy.signal.butter(8, 8000, fs=sr, output="sos"), y), sr),
    "20 dB less": lambda y, sr: _wav(0.1 * y, sr),
}  # fmt: skip


def by_ear(network, names, folder):
    """Accuracy on the tracks of gtzan-mini that are among these names, each through each codec."""
    clips = [clip for clip in corpora.load("gtzan-mini").clips if clip.name in names]
    result = {}
    for what, codec in CODECS.items():
        right = []
        for clip in clips:
            content, ending = codec(*corpora.read(clip))
            path = Path(folder) / f"clip{ending}"
            path.write_bytes(content)
            right.append(listen.listen(path, network).genre == clip.label)
        low, high = evaluation.wilson(np.mean(right), len(right))
        result[what] = {"value": round(float(np.mean(right)), 4), "low": round(low, 4), "high": round(high, 4),
                        "n": len(right)}  # fmt: skip
    return result


def in_other_clothes(network, data, rows):
    """Accuracy on clips as they are and through each of CHANGES: the mean, and each."""
    each = {what: listen.examine(network, data, rows, change) for what, change in CHANGES.items()}
    return float(np.mean([row["value"] for row in each.values()])), each


def chosen(accuracies, n):
    """The network to keep, of {name: accuracy on n clips}: the best separable one, if it is as good as its twin.

    If it is worse by more than the interval of the difference, it is the best of all.
    """
    separable = max((name for name in accuracies if "separable" in name), key=accuracies.get)
    a, b = accuracies[separable.replace("-separable", "")], accuracies[separable]
    as_good = a - b <= 1.96 * np.sqrt((a * (1 - a) + b * (1 - b)) / n)
    return separable if as_good else max(accuracies, key=accuracies.get)


@click.command(help=__doc__)
@click.option("--results", default="results", show_default=True)
@click.option("--out", default=str(listen.SHIPPED), show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
def main(results, out, threads):
    first = [recipe for recipe in recipes.study("listen") if recipe.seed == 0]
    study.run(first, folder=results, threads=threads, weights=True, choice=recipes.CHOICES["listen"])
    data = training.load_features(first[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        split = protocols.split(data, first[0].protocol)
    with tempfile.TemporaryDirectory() as folder:
        networks, on_valid = {}, {}
        for recipe in first:
            weights = Path(results) / f"{recipe.name}.npz"
            if not weights.exists():
                raise AudiolibError(f"{weights} is not there; delete the record beside it, and the run is done again")
            networks[recipe.model] = network = listen.keep(
                Path(folder) / "one.npz", recipe, listen.read_weights(weights), data=data)
            on_valid[recipe.model], each = in_other_clothes(network, data, split.valid)
            click.echo(f"{recipe.model}: {on_valid[recipe.model]:.3f} on validation; "
                       f"{ {what: row['value'] for what, row in each.items()} }")
        model = chosen(on_valid, each["as it is"]["n"])
        recipe, network = next(each for each in first if each.model == model), networks[model]
        card = {"record": recipe.name, "licence": LICENCE, "does not know": UNKNOWN,
                "chosen": {name: round(value, 3) for name, value in on_valid.items()},
                "changed levels": in_other_clothes(network, data, split.test)[1]}  # fmt: skip
        unseen = {data.names[clip] for part in (split.valid, split.test) for clip in data.clip[part]}
        try:
            card["by ear"] = by_ear(network, unseen, folder)
        except AudiolibError as error:
            click.echo(f"no examination by ear: {error}", err=True)
    trained = listen.read_weights(Path(results) / f"{recipe.name}.npz")
    network = listen.keep(out, recipe, trained, data=data, card=card)
    click.echo(f"{out}: {model}, {Path(out).stat().st_size / 1e3:.0f} kB")
    for part in ("valid", "test", "changed levels", "by ear"):
        click.echo(f"{part}: {network.card.get(part)}")


if __name__ == "__main__":
    main()
