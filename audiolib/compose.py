"""Music out of a seed: the embedded corpus, and pieces that can be performed in more than one way.

Goal: everybody has music with GTZAN's ten labels and file layout on disk a few seconds after the first ``make``,
without a network and without anybody's copyright. ``track`` draws a score from the tables in ``_scores`` (metre, tempo,
harmony, drum pattern, instruments differ by genre) and plays it with ``sounds``; ``write_corpus`` puts many tracks on
disk. The genres are caricatures that share tempos, chords and instruments on purpose: a classifier can tell them apart
often, not always. ``perform`` plays one of two short ``PIECES`` and says when each written note begins: performances of
one composition, aligned by construction.

Conventions: signals are float32 [sample] at ``sr`` Hz, pitches MIDI numbers, times seconds. All chance comes from the
seed: the same arguments give the same samples, in any order of calls, on one machine (another processor may round the
last bit differently). ``AudiolibError`` names an argument that is unknown or out of range.

Chapters: 01_dataset, 05_chroma, 06_data, 13_elsewhere
"""

import io
import json
from pathlib import Path

import joblib
import numpy as np
import scipy.integrate
import scipy.signal
import soundfile
from tqdm import tqdm

from audiolib import AudiolibError, _checks, sounds
from audiolib._files import written_whole
from audiolib._scores import CHORDS, INSTRUMENTS, NOTES, PIECES, RECORDINGS, SCALES, STROKES, STYLES

GENRES = tuple(STYLES)
VERSION = 1  # of the music: a change that can be heard gets a new number, and corpora of the old one are made again
ALONE = 300  # seconds of music up to which starting workers costs more than it saves

# --- playing ----------------------------------------------------------------------------------------------------------


def _chord(name):
    """Root (pitch class) and semitones above it, from a name such as ``Ebmaj7``."""
    accidental = name[1:2] in ("b", "#")
    root = NOTES[name[0]] + (NOTES[name[1]] if accidental else 0)
    return root % 12, CHORDS[name[1 + accidental :]]


def _play(instrument, pitches, seconds, *, seed, sr):
    """Notes of one instrument sounding together, their largest sample 1. Pitches are MIDI numbers, ``()`` for drums."""
    kind, options, attack, drive = INSTRUMENTS[instrument]
    if kind in ("kick", "snare", "hat"):
        y = getattr(sounds, kind)(seconds, sr=sr, **options, **({} if kind == "kick" else {"seed": seed}))
    elif not pitches:
        y = sounds.fm(seconds=seconds, sr=sr, **options)
    else:
        y = sum(_note(kind, options, pitch, seconds, seed, sr) for pitch in pitches)
    y = y / max(np.abs(y).max(), 1e-9)
    if drive:
        y = np.tanh(drive * y) / np.tanh(drive)
    return sounds.fade(y, sr=sr, attack=attack, release=0.03)


def _note(kind, options, pitch, seconds, seed, sr):
    frequency = float(sounds.midi_to_hz(pitch))
    if kind == "piano":
        return sounds.piano_note(pitch, seconds, sr=sr)
    if kind == "pluck":
        return sounds.pluck(frequency, seconds, seed=[seed, round(pitch)], sr=sr, **options)
    if kind == "fm":
        return sounds.fm(frequency, seconds, sr=sr, **options)
    strengths, detune = options["amplitudes"], options.get("detune", 0.0)
    series = frequency * np.arange(1, len(strengths) + 1)
    voices = (series * (1 - detune / 2), series * (1 + detune / 2)) if detune else (series,)
    amplitudes, decays = np.tile(strengths, len(voices)), options.get("decay", np.inf)
    return sounds.partials(np.concatenate(voices), seconds, sr=sr, amplitudes=amplitudes, decays=decays)


def _render(events, n, *, seed, sr):
    """Sum of events ``(start in seconds, instrument, pitches, length in seconds, gain)``; equal notes are made once."""
    y, notes = np.zeros(n, dtype=np.float32), {}
    for start, instrument, pitches, seconds, gain in events:
        key = (instrument, pitches, round(seconds, 3))
        if key not in notes:
            notes[key] = _play(*key, seed=seed, sr=sr)
        first = round(start * sr)
        note = notes[key][max(0, -first) : max(0, n - first)]  # what of it lies in the excerpt
        first = max(0, first)
        y[first : first + len(note)] += np.float32(gain) * note
    return y


def _room(y, *, sr, wet):
    """Echoes: each pass doubles their number, so that eight short delays make 255 of them."""
    echo = y.copy()
    for milliseconds in (11, 17, 29, 41, 59, 83, 113, 149):
        d = round(milliseconds * sr / 1000)
        echo[d:] += 0.6 * echo[:-d].copy()
    return y + wet * echo


def track(genre, index, *, seconds=30.0, sr=22050, seed=0):
    """Track ``index`` (from 0) of a genre of the embedded corpus: RMS -25 to -12 dBFS, no sample beyond ±0.98.

    The excerpt starts somewhere in a bar and ends where it ends, as GTZAN's do.

    >>> track("blues", 0, seconds=2).shape
    (44100,)
    """
    _checks.one_of("genre", genre, GENRES)
    _checks.whole("index", index, least=0)
    _checks.whole("sr", sr, least=16000, most=48000)
    _checks.whole("seed", seed, least=0)
    _checks.number("seconds", seconds, least=0.5, most=600)
    rng = np.random.default_rng([int(seed), GENRES.index(genre), int(index)])
    events = _score(STYLES[genre][rng.integers(len(STYLES[genre]))], seconds, rng)
    n = round(seconds * sr)
    y = _render(events, n, seed=int(rng.integers(2**31)), sr=sr)

    dark, wet, limit, level, floor = (rng.uniform(*limits) for limits in RECORDINGS[genre])
    # The recording: one pole takes treble off, another what lies below 10 Hz; then a limiter, a noise floor, a level.
    above = np.exp(-2 * np.pi * 10 / sr)
    dull = np.float32([1 - dark, dark - 1]), np.float32([1, -dark - above, dark * above])

    def rms():
        return max(float(np.sqrt(np.mean(y**2))), 1e-9)

    y = scipy.signal.lfilter(*dull, _room(y, sr=sr, wet=wet))
    y = np.tanh(y * np.float32(limit / rms()))
    y *= np.float32(1 / rms())
    y += np.float32(10 ** (floor / 20)) * rng.standard_normal(n, dtype=np.float32)
    y *= min(10 ** (level / 20), 0.98 / float(np.abs(y).max()))
    return sounds.fade(y, sr=sr)


def _score(style, seconds, rng):
    """Events of one excerpt in a style, see ``_render``."""
    steps, key = style["steps"], int(rng.integers(12))
    bars = style["chords"][rng.integers(len(style["chords"]))].split()
    scale = SCALES[style["scales"][rng.integers(len(style["scales"]))]]
    beat = 60 / rng.uniform(*style["tempo"])
    loose = rng.uniform(0.001, 0.008)  # seconds by which the players miss the beat
    parts = []
    for instruments, low, length, level, chance, patterns in style["parts"]:
        if rng.uniform() < chance:
            instrument = instruments[rng.integers(len(instruments))]
            pattern = patterns[rng.integers(len(patterns))].split("|")
            gain = 10 ** ((level + rng.uniform(-2, 2)) / 20)
            parts.append((instrument, low, min(length * beat * rng.uniform(0.8, 1.2), 4.0), gain, pattern))
    width = len(parts[0][4][0])  # steps in a bar; the first part of a style is in every track
    bar_seconds = width / steps * beat
    count = int(seconds / bar_seconds / (1 - style["rubato"])) + 4
    first, now = int(rng.integers(len(bars))), -rng.uniform(1, 2) * bar_seconds  # the music began earlier
    walks = [rng.integers(-2, 3, width) for _ in range(4)]  # a melody of four bars that comes back, bent to the harmony
    rests = rng.uniform(size=(len(parts), count // 4 + 1)) < 0.12  # for four bars a part may be silent

    events = []
    for bar in range(count):
        chords = [_chord(name) for name in bars[(first + bar) % len(bars)].split("-")]
        step_seconds = beat / steps * (1 + style["rubato"] * np.sin(2 * np.pi * (bar / 4 + rng.uniform(-0.05, 0.05))))
        for part, (instrument, low, length, gain, pattern) in enumerate(parts):
            if rests[part, bar // 4]:
                continue
            place = len(scale) // 2
            for step, sign in enumerate(pattern[bar % len(pattern)]):
                if sign == ".":
                    continue
                root, tones = chords[step * len(chords) // width]
                root = low + (key + root - low) % 12
                if sign in "Xxo":
                    pitches = ()
                elif sign == "m":
                    place = int(np.clip(place + walks[bar % 4][step], 0, len(scale) + 3))
                    pitch = low - 5 + (key - low + 5) % 12 + 12 * (place // len(scale)) + scale[place % len(scale)]
                    if step % steps == 0:  # on the beat the melody stands on the nearest note of the chord
                        pitch += min(((root + t - pitch + 6) % 12 - 6 for t in tones), key=abs)
                    pitches = (pitch,)
                elif sign in "Cc":
                    close = tones == CHORDS["5"] or INSTRUMENTS[instrument][3] >= 10
                    pitches = tuple(root + t if close else low + (root + t - low) % 12 for t in tones)
                else:
                    pitches = (root + {"1": 0, "3": tones[1], "5": tones[2], "6": 9, "8": 12}[sign],)
                late = style["swing"] if step % 2 else 0.0
                start = now + (step + late) * step_seconds + rng.normal(0, loose)
                loud = gain * STROKES.get(sign, 0.75) * rng.uniform(0.8, 1.1)
                events.append((start, instrument, pitches, length, loud))
        now += width * step_seconds
    return events


# --- the corpus on disk -----------------------------------------------------------------------------------------------


def write_corpus(folder, *, tracks=10, seconds=30.0, seed=0, progress=True):
    """Write so many tracks a genre as ``<folder>/genres/<genre>/<genre>.NNNNN.flac`` (16 bit), on all cores.

    Each file appears whole or not at all, and ``manifest.json`` (settings, sizes of the files) comes last: a corpus
    whose writing was killed is never taken for whole. A missing file or one of another size is made again, and all of
    them if a setting differs; tracks that are not of this corpus are removed. It is an error if the disk does not bear
    it. Returns the folder.
    """
    folder = Path(folder)
    tracks = _checks.whole("tracks", tracks, most=99999)
    _checks.whole("seed", seed, least=0)
    _checks.number("seconds", seconds, least=0.5, most=600)
    names = {f"genres/{genre}/{genre}.{index:05d}.flac": (genre, index) for genre in GENRES for index in range(tracks)}
    settings = {"version": VERSION, "seed": int(seed), "tracks": tracks, "seconds": float(seconds), "sr": 22050}
    manifest = folder / "manifest.json"
    try:
        sizes = _whole_files(folder, settings)
        todo = [name for name in names if name not in sizes]
        if not todo:
            return folder
        manifest.unlink(missing_ok=True)
        for genre in GENRES:
            (folder / "genres" / genre).mkdir(parents=True, exist_ok=True)
            for old in (folder / "genres" / genre).glob(f"{genre}.[0-9][0-9][0-9][0-9][0-9].flac"):
                if f"genres/{genre}/{old.name}" not in names:
                    old.unlink()
        jobs = joblib.Parallel(n_jobs=-1 if len(todo) * seconds > ALONE else 1, return_as="generator_unordered")
        calls = (joblib.delayed(_write_track)(folder, name, *names[name], seconds, seed) for name in todo)
        bar = tqdm(jobs(calls), total=len(todo), desc="composing", unit="track", disable=not progress)
        sizes = sizes | dict(bar)
        about = settings | {"files": {name: sizes[name] for name in names}}
        with written_whole(manifest) as part:
            part.write_text(json.dumps(about, indent=1))
    except OSError as error:
        megabytes = 0.035 * len(names) * seconds
        raise AudiolibError(
            f"{folder}: cannot write the synthetic corpus ({error.strerror or error}); it needs about "
            f"{megabytes:.0f} MB in a folder that you may write to; free some space, or let AUDIOLIB_CACHE name another"
        ) from error
    return folder


def _whole_files(folder, settings):
    """Size of each whole file by name, as a manifest with these settings says it; empty if there is none."""
    try:
        about = json.loads((folder / "manifest.json").read_bytes())
        sizes = about["files"].items() if settings.items() <= about.items() else ()
    except (FileNotFoundError, ValueError, AttributeError, KeyError):  # none, or not one of ours
        return {}
    return {name: size for name, size in sizes if (folder / name).is_file() and (folder / name).stat().st_size == size}


def _write_track(folder, name, genre, index, seconds, seed):
    data = io.BytesIO()
    soundfile.write(data, track(genre, index, seconds=seconds, seed=seed), 22050, format="FLAC", subtype="PCM_16")
    with written_whole(folder / name) as part:
        part.write_bytes(data.getvalue())
    return name, len(data.getvalue())


# --- one composition, many performances -------------------------------------------------------------------------------


def perform(piece, *, tempo_curve=(1.0,), instrument="piano", transpose=0, octave=0, ornaments=False, seed=0, sr=22050):
    """Play one of ``PIECES``: float32 [sample] of peak 0.7, and the seconds at which its written notes begin [note].

    ``tempo_curve`` is the tempo relative to the written one at points evenly spaced over the piece, straight lines
    between: ``(1,)`` is steady, ``(1, 1.3, 0.7)`` presses on and then broadens. ``instrument`` is a pitched key of
    ``INSTRUMENTS``; all is moved by ``transpose`` semitones and ``octave`` octaves. ``ornaments`` are turns on long
    melody notes and spread instead of struck chords. The ``seed`` is of the small unevenness of the player (5 ms, 1 dB)
    and of the choice of ornaments.

    >>> (_, steady), (_, hurried) = perform("ferry"), perform("ferry", tempo_curve=(1, 1.5))
    >>> len(steady) == len(hurried) and bool(hurried[-1] < steady[-1])
    True
    """
    _checks.one_of("piece", piece, PIECES)
    if instrument not in INSTRUMENTS or INSTRUMENTS[instrument][0] not in ("piano", "fm", "partials", "pluck"):
        raise AudiolibError(f"instrument={instrument!r} cannot play a melody; try piano, strings or organ")
    curve = np.asarray(tempo_curve, dtype=float)
    if curve.ndim != 1 or len(curve) == 0 or not ((curve > 0.2) & (curve < 5)).all():
        guess = "; did you give beats per minute?" if (np.nan_to_num(curve) > 20).any() else ""
        raise AudiolibError(f"tempo_curve={tempo_curve!r}: needs factors between 0.2 and 5 of the written tempo{guess}")
    score, rng = PIECES[piece], np.random.default_rng(seed)
    bars = score["chords"].split()
    total = len(bars) * score["beats"]
    grid = np.linspace(0, total, 24 * total + 1)  # time is the sum of the lengths of many small steps
    speed = score["tempo"] / 60 * np.interp(grid, np.linspace(0, total, len(curve)), curve)
    times = scipy.integrate.cumulative_trapezoid(1 / speed, grid, initial=0)

    def at(beat):
        return 0.1 + float(np.interp(beat, grid, times))

    shift, events, onsets, beat = transpose + 12 * octave, [], [], 0.0
    for note in score["melody"].replace("|", " ").split():
        name, beats = note.split(":")
        pitch = NOTES[name[0]] + (NOTES[name[1]] if name[1] in "b#" else 0) + 12 * (int(name[-1]) + 1) + shift
        start, stop = at(beat) + rng.normal(0, 0.005), at(beat + float(beats)) + 0.1
        onsets.append(start)
        turn = ornaments and float(beats) >= 1 and rng.uniform() < 0.6
        if turn:  # the note, its upper neighbour in the scale, the note
            above = next(step for step in (1, 2) if (pitch - shift + step) % 12 in SCALES["major"])
            flick = min(0.09, (stop - start) / 6)
            events += [(start, (pitch,), flick + 0.05, 0.8), (start + flick, (pitch + above,), flick + 0.05, 0.7)]
            start += 2 * flick
        events.append((start, (pitch,), stop - start, 10 ** (rng.uniform(-1, 1) / 20)))
        beat += float(beats)
    for bar, names in enumerate(bars):
        names = names.split("-")
        for half, name in enumerate(names):
            beats = score["beats"] / len(names)
            beat = bar * score["beats"] + half * beats
            root, tones = _chord(name)
            length = at(beat + beats) - at(beat)
            for voice, pitch in enumerate([36 + root, *sorted(50 + (root + tone - 2) % 12 for tone in tones)]):
                late = voice * (0.06 if ornaments else 0.0) + rng.normal(0, 0.003)
                events.append((at(beat) + late, (pitch + shift,), length, 0.5 if voice == 0 else 0.25))
    played = [(start, instrument, pitches, seconds, gain) for start, pitches, seconds, gain in events]
    y = _render(played, round((at(total) + 1.0) * sr), seed=seed, sr=sr)
    y = _room(y, sr=sr, wet=0.15)
    y += np.float32(1e-4) * rng.standard_normal(len(y), dtype=np.float32)  # a silent room has no chroma to compare
    return sounds.fade(y * (0.7 / np.abs(y).max()), sr=sr, release=0.5), np.array(onsets)
