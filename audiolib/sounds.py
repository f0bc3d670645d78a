"""Small signals: tones to teach with, and the instruments that ``compose`` plays.

Goal: every sound of the book that is not a recording can be made, drawn and played in one line. Every signal is mono
float32 ``[sample]`` with no sample beyond ±1; the rate ``sr`` and frequencies are in Hz, lengths in seconds,
``amplitude`` bounds the largest sample. Everything random takes a ``seed``: the same arguments, the same samples.
``AudiolibError`` names a number that cannot be used, such as a frequency above half the sample rate.

There are steady sinusoids (``tone``, ``harmonics``, ``chord``), all frequencies one after the other or at once
(``chirp``, ``noise``), instruments (``partials``, ``piano_note``, ``pluck``, ``fm``) and drums (``kick``, ``snare``,
``hat``). A ``decay`` is the seconds in which loudness falls by 60 dB (``math.inf`` is steady).

>>> tone(midi_to_hz(69), 0.1).shape
(2205,)

Chapters: 01_dataset, 02_sound, 03_stft, 04_mel, 05_chroma, 06_data, 07_cnn, 08_separable,
13_elsewhere, 14_listen
"""

import math

import numpy as np
import scipy.signal

from audiolib import AudiolibError, _checks

NOISES = {"white": 0, "pink": 1, "brown": 2}  # power falls as 1 / frequency ** this


def midi_to_hz(midi):
    """Frequency of a MIDI note number (60 is middle C, 69 is 440 Hz), equal temperament; fractions are allowed."""
    return 440.0 * 2.0 ** ((np.asarray(midi, dtype=float) - 69.0) / 12.0)


def tone(frequency, seconds=1.0, *, sr=22050, amplitude=0.5, phase=0.0):
    """One sinusoid, ``amplitude * sin(2 pi frequency t + phase)``; a phase of ``pi / 2`` makes a cosine."""
    time = _times(seconds, sr, amplitude)
    _check_frequency("frequency", frequency, sr)
    return (amplitude * np.sin(2 * np.pi * frequency * time + phase)).astype(np.float32)


def harmonics(frequency, seconds=1.0, *, sr=22050, amplitudes=(1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6), amplitude=0.5):
    """A steady harmonic series, see ``partials``: ``amplitudes`` of 1, 2, 3, ... times the frequency."""
    _check_frequency("frequency", frequency, sr)
    series = frequency * np.arange(1, len(amplitudes) + 1)
    return partials(series, seconds, sr=sr, amplitudes=amplitudes, amplitude=amplitude)


def chord(frequencies, seconds=1.0, *, sr=22050, amplitude=0.5):
    """Several sinusoids at once, each of ``amplitude / len(frequencies)``."""
    for frequency in frequencies:
        _check_frequency("frequencies", frequency, sr)
    return partials(frequencies, seconds, sr=sr, amplitude=amplitude)


def chirp(f0, f1, seconds=1.0, *, sr=22050, amplitude=0.5, kind="linear"):
    """A sinusoid that glides from ``f0`` to ``f1``, by the same Hz ("linear") or interval ("logarithmic") a second."""
    _checks.one_of("kind", kind, ("linear", "logarithmic"))
    time = _times(seconds, sr, amplitude)
    _check_frequency("f0", f0, sr)
    _check_frequency("f1", f1, sr)
    if kind == "logarithmic" and not (f0 > 0 and f1 > 0):
        raise AudiolibError(f"f0={f0!r}, f1={f1!r}: a logarithmic glide cannot start or end at 0 Hz; take 20 Hz")
    # scipy starts at a cosine's crest, which clicks; a quarter period later it starts at zero.
    return (amplitude * scipy.signal.chirp(time, f0, seconds, f1, method=kind, phi=-90)).astype(np.float32)


def noise(seconds=1.0, *, seed=0, color="white", sr=22050, amplitude=0.5):
    """Gaussian noise, "white", "pink" or "brown" (0, 3 or 6 dB less each octave, from 20 Hz), of peak ``amplitude``."""
    _checks.one_of("color", color, NOISES)
    n = _samples(seconds, sr, amplitude)
    y = np.random.default_rng(seed).standard_normal(n)
    if NOISES[color]:
        frequencies = np.maximum(np.fft.rfftfreq(n, 1 / sr), 20.0)
        y = np.fft.irfft(np.fft.rfft(y) * frequencies ** (-NOISES[color] / 2), n)
    return _scaled(y, amplitude)


# --- instruments ------------------------------------------------------------------------------------------------------


def partials(frequencies, seconds=1.0, *, sr=22050, amplitudes=None, decays=math.inf, amplitude=0.5):
    """A sum of sinusoids, each dying away at its own pace; what lies above half the sample rate is left out.

    ``amplitudes`` at the start are relative to one another (by default all equal), and scaled so that the sum cannot
    exceed ``amplitude``; ``decays`` is one for all or one each.
    """
    n = _samples(seconds, sr, amplitude)
    frequencies = np.atleast_1d(np.asarray(frequencies, dtype=float))
    strengths = np.ones(len(frequencies)) if amplitudes is None else np.asarray(amplitudes, dtype=float)
    total = np.abs(strengths).sum()
    if strengths.shape != frequencies.shape or not total > 0:
        raise AudiolibError(f"amplitudes={amplitudes!r}: not one for each of {len(frequencies)} partials, or all are 0")
    _check_decay("decays", decays)
    decays = np.broadcast_to(np.asarray(decays, dtype=float), frequencies.shape)
    audible = frequencies < sr / 2
    # One decaying sinusoid is the imaginary part of a power of one complex number. Sample 256 * row + column is that
    # number to the power 256 * row, times the same to the power column: all partials together are a matrix product.
    speed = (-math.log(1000) / decays[audible] + 2j * np.pi * frequencies[audible]) / sr
    columns = np.exp(np.outer(speed, np.arange(256)))
    rows = np.exp(np.outer(speed, 256 * np.arange(-(-n // 256)))) * (amplitude / total * strengths[audible])[:, None]
    left = np.concatenate([rows.real, rows.imag]).astype(np.float32)
    right = np.concatenate([columns.imag, columns.real]).astype(np.float32)
    return (left.T @ right).ravel()[:n]


def piano_note(midi, seconds=2.0, *, sr=22050, amplitude=0.5, inharmonicity=4e-4):
    """A note like a piano's: partials a little sharp of the harmonic series, the high ones sooner gone.

    ``inharmonicity`` is B in ``f_k = k f_1 sqrt(1 + B k²)``, the stiff string's formula; 0 makes the partials harmonic.
    """
    frequency = float(midi_to_hz(midi))
    _check_frequency("midi", frequency, sr)
    _checks.number("inharmonicity", inharmonicity, least=0)
    k = np.arange(1, 25)
    series = k * frequency * np.sqrt((1 + inharmonicity * k**2) / (1 + inharmonicity))
    strengths = (np.abs(np.sin(np.pi * k / 8)) + 0.02) / k  # a hammer at 1/8 of the string spares each 8th partial
    decays = 12.0 * (110.0 / max(frequency, 55.0)) ** 0.6 / (1 + 0.25 * (k - 1))
    y = partials(series, seconds, sr=sr, amplitudes=strengths, decays=decays, amplitude=amplitude)
    return fade(y, sr=sr, attack=0.003, release=0.05)


def pluck(frequency, seconds=1.0, *, seed=0, sr=22050, amplitude=0.5, decay=4.0, brightness=0.7):
    """A plucked string after Karplus and Strong: noise runs round a loop that averages neighbours.

    The loop loses 60 dB in ``decay`` seconds; its averaging takes the high partials away sooner. ``brightness`` (up to
    1) is how hard the string is plucked: 1 starts from white noise, less from softer noise.
    """
    n = _samples(seconds, sr, amplitude)
    if not 20 <= frequency <= sr / 8:
        raise AudiolibError(f"frequency={frequency!r}: a string sounds from 20 Hz to sr / 8 = {sr / 8:g} Hz")
    _checks.number("brightness", brightness, most=1, above=0)
    _check_decay("decay", decay)
    period = int(sr / frequency)
    loss = 0.5 * 0.001 ** (1 / (frequency * decay))
    step = frequency * (period + 0.5) / sr  # the averaging adds half a sample to the loop
    loop = np.zeros(period + 1 + int(n * step) + 2 * period)
    start = scipy.signal.lfilter([brightness], [1, brightness - 1], np.random.default_rng(seed).uniform(-1, 1, period))
    loop[1 : period + 1] = start - start.mean()  # averaging neighbours would keep a constant for ever
    for now in range(period + 1, len(loop) - period, period):  # y[n] = loss * (y[n - period] + y[n - period - 1])
        np.add(loop[now - period : now], loop[now - period - 1 : now - 1], out=loop[now : now + period])
        loop[now : now + period] *= loss
    # The loop is a whole number of samples long; reading it a little faster or slower puts the string in tune.
    y = np.interp(step * np.arange(n), np.arange(len(loop) - 1), loop[1:])
    return _scaled(fade(y, sr=sr, attack=0.001, release=0.02), amplitude)


def fm(frequency, seconds=1.0, *, sr=22050, amplitude=0.5, ratio=1.0, index=3.0, decay=1.0):
    """Frequency modulation: one sinusoid wobbles the phase of another, the carrier at ``frequency``; partials appear.

    ``ratio`` is the modulator's frequency over the carrier's: whole numbers sound harmonic, others like bells. The
    ``index`` is the wobble in radians at the start (0 is a sine, 1 warm, 5 brassy); it falls half as fast as loudness.
    """
    _check_frequency("frequency", frequency, sr)
    _check_decay("decay", decay)
    time = _times(seconds, sr, amplitude)
    envelope = np.exp(-0.5 * math.log(1000) / decay * time)
    wobble = index * envelope * np.sin(2 * np.pi * ratio * frequency * time)
    y = amplitude * envelope**2 * np.sin(2 * np.pi * frequency * time + wobble)
    return fade(y, sr=sr, attack=0.004, release=0.02)


def kick(seconds=0.35, *, sr=22050, amplitude=0.8, frequency=50.0):
    """A bass drum: a sine that falls from four times ``frequency`` to ``frequency`` and dies away."""
    time = _times(seconds, sr, amplitude)
    phase = frequency * (time + 3 * 0.03 * (1 - np.exp(-time / 0.03)))  # the integral of f (1 + 3 exp(-t / 30 ms))
    return fade(amplitude * np.sin(2 * np.pi * phase) * np.exp(-7 * time / seconds), sr=sr, attack=0.001, release=0.01)


def snare(seconds=0.25, *, seed=0, sr=22050, amplitude=0.7, frequency=185.0):
    """A snare drum: noise over a short tone of the skin at ``frequency``."""
    rattle = noise(seconds, seed=seed, sr=sr) * np.exp(-6 * _times(seconds, sr, amplitude) / seconds)
    skin = partials([frequency, 1.6 * frequency], seconds, sr=sr, decays=[0.15, 0.1])
    return fade(_scaled(rattle + 0.6 * skin, amplitude), sr=sr, attack=0.001, release=0.01)


def hat(seconds=0.06, *, seed=0, sr=22050, amplitude=0.4):
    """A hi-hat: noise without its low frequencies; 0.05 s is closed, 0.3 s open, 1.5 s a crash."""
    sizzle = np.diff(noise(seconds, seed=seed, sr=sr), n=2, prepend=[0, 0])  # takes 12 dB an octave off the lows
    y = _scaled(sizzle * np.exp(-6 * _times(seconds, sr, amplitude) / seconds), amplitude)
    return fade(y, sr=sr, attack=0.0, release=0.005)


def fade(y, *, sr=22050, attack=0.01, release=0.01):
    """A copy with soft edges, so that it does not click: a raised cosine, of each half of the signal at most."""
    y = np.array(y, dtype=np.float32)
    for name, length, edge in (("attack", attack, y), ("release", release, y[::-1])):
        _checks.number(name, length, least=0)
        m = min(round(length * sr), len(y) // 2)
        edge[:m] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(m) / max(m, 1))
    return y


# --- checks shared by the functions above -----------------------------------------------------------------------------


def _samples(seconds, sr, amplitude):
    _checks.number("sr", sr, above=0)
    _checks.number("seconds", seconds, above=0.5 / sr)  # rounded, a sample at least
    if seconds > 3600:
        raise AudiolibError(f"seconds={seconds!r} is more than an hour; did you give milliseconds or samples?")
    if not 0 <= amplitude <= 1:
        guess = "; is it in dB? 10 ** (dB / 20) is the amplitude" if amplitude < 0 else ""
        raise AudiolibError(f"amplitude={amplitude!r} is not from 0 to 1{guess}")
    return round(seconds * sr)


def _times(seconds, sr, amplitude):
    return np.arange(_samples(seconds, sr, amplitude)) / sr


def _check_frequency(name, frequency, sr):
    if not 0 <= frequency <= sr / 2:
        raise AudiolibError(f"{name}={frequency!r}: not from 0 Hz to sr / 2 = {sr / 2:g} Hz; above, a tone folds back")


def _check_decay(name, decay):
    if not (np.asarray(decay) > 0).all():
        raise AudiolibError(f"{name}={decay!r}: needs seconds above 0; math.inf is steady")


def _scaled(y, amplitude):
    return (y * (amplitude / max(np.abs(y).max(initial=0.0), 1e-12))).astype(np.float32)
