"""The small signals are what they say: right pitch, right length, right level, the same every time."""

import re

import numpy as np
import pytest

from audiolib import AudiolibError, sounds

SR = 22050
ALL = {
    "tone": lambda: sounds.tone(440, 0.5),
    "harmonics": lambda: sounds.harmonics(220, 0.5),
    "chord": lambda: sounds.chord([262, 330, 392], 0.5),
    "chirp": lambda: sounds.chirp(100, 5000, 0.5),
    "noise": lambda: sounds.noise(0.5, color="pink"),
    "piano_note": lambda: sounds.piano_note(60, 0.5),
    "pluck": lambda: sounds.pluck(220, 0.5),
    "fm": lambda: sounds.fm(220, 0.5),
    "kick": lambda: sounds.kick(0.5),
    "snare": lambda: sounds.snare(0.5),
    "hat": lambda: sounds.hat(0.5),
}


def peaks(y, sr=SR):
    """Frequencies of the strongest partial, from a spectrum with bins of at most 0.1 Hz."""
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 10 * sr))
    return np.argmax(spectrum) / 10


@pytest.mark.parametrize("name", ALL)
def test_every_signal_is_mono_float32_of_its_length_within_full_scale_and_repeats_exactly(name):
    y = ALL[name]()
    assert y.dtype == np.float32 and y.shape == (round(0.5 * SR),)
    assert 0.01 < np.abs(y).max() <= 1
    np.testing.assert_array_equal(y, ALL[name]())


@pytest.mark.parametrize("kind", [sounds.noise, sounds.snare, sounds.hat, lambda seed: sounds.pluck(220, seed=seed)])
def test_another_seed_gives_another_signal(kind):
    assert np.abs(kind(seed=1) - kind(seed=2)).max() > 0.01


def test_a_midi_octave_doubles_the_frequency_and_69_is_440():
    np.testing.assert_allclose(sounds.midi_to_hz([57, 69, 81]), [220, 440, 880])


def test_a_tone_is_the_sine_of_the_formula():
    t = np.arange(SR) / SR
    expected = 0.3 * np.sin(2 * np.pi * 1000 * t + 1)
    np.testing.assert_allclose(sounds.tone(1000, amplitude=0.3, phase=1), expected, atol=1e-6)


def test_a_sum_of_partials_is_the_sum_of_their_formulas():
    t = np.arange(round(0.7 * SR)) / SR
    expected = 0.25 * np.sin(2 * np.pi * 300 * t) * 10 ** (-3 * t / 0.5) + 0.25 * np.sin(2 * np.pi * 450 * t)
    y = sounds.partials([300, 450], 0.7, decays=[0.5, np.inf])
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_partials_above_half_the_sample_rate_are_left_out_and_do_not_fold():
    np.testing.assert_allclose(
        sounds.harmonics(5000, amplitudes=[1, 1, 1]), sounds.partials([5000, 10000], amplitude=0.5 * 2 / 3), atol=1e-6
    )


@pytest.mark.parametrize("midi", [33, 45, 60, 76, 88])
def test_every_instrument_is_in_tune_within_five_cents(midi):
    frequency = sounds.midi_to_hz(midi)
    for y in (
        sounds.pluck(frequency, 1.0),
        sounds.fm(frequency, 1.0, index=0.5, decay=np.inf),
        sounds.piano_note(midi, 1.0),
    ):
        spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 20 * SR))
        near = slice(round(20 * frequency * 0.94), round(20 * frequency * 1.06))  # around the first partial
        found = (near.start + np.argmax(spectrum[near])) / 20
        assert abs(1200 * np.log2(found / frequency)) < 5


def test_a_piano_note_has_partials_sharper_than_harmonics():
    spectrum = np.abs(np.fft.rfft(sounds.piano_note(60, 2.0) * np.hanning(2 * SR), 10 * SR))
    f, b = sounds.midi_to_hz(60), 4e-4
    stretched = 6 * f * np.sqrt((1 + 36 * b) / (1 + b))
    around = np.arange(round(10 * 5.9 * f), round(10 * 6.1 * f))
    assert around[np.argmax(spectrum[around])] / 10 == pytest.approx(stretched, abs=1)
    assert stretched > 6 * f + 5


def test_a_plucked_string_loses_its_treble_first():
    spectra = [np.abs(np.fft.rfft(part)) for part in np.split(sounds.pluck(220, 2.0, brightness=1), [SR // 4, SR])[::2]]
    shares = [(s[len(s) // 8 :] ** 2).sum() / (s**2).sum() for s in spectra]
    assert shares[1] < 0.2 * shares[0]


@pytest.mark.parametrize("brightness", [0.1, 1.0])
def test_a_plucked_string_has_no_constant_in_it(brightness):
    y = sounds.pluck(110, 2.0, brightness=brightness, amplitude=1)
    assert abs(y[SR:].mean()) < 1e-3 * y[SR:].std() + 1e-5


def test_a_chirp_glides_from_the_first_frequency_to_the_last():
    for kind, middle in (("linear", 2050), ("logarithmic", 632)):
        y = sounds.chirp(100, 4000, 4.0, kind=kind)
        assert peaks(y[2 * SR - 400 : 2 * SR + 400]) == pytest.approx(middle, rel=0.1)
        assert peaks(y[-500:]) == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize("color, slope", [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_falls_by_its_decibels_per_octave(color, slope):
    power = np.abs(np.fft.rfft(sounds.noise(20, color=color))) ** 2
    frequencies = np.fft.rfftfreq(20 * SR, 1 / SR)
    octaves = [100, 200, 400, 800, 1600, 3200, 6400]
    levels = [10 * np.log10(power[(frequencies >= low) & (frequencies < 2 * low)].mean()) for low in octaves[:-1]]
    assert np.polyfit(range(6), levels, 1)[0] == pytest.approx(slope, abs=0.2)


def test_fades_silence_the_edges_and_leave_the_middle_and_the_original():
    y = np.ones(SR, dtype=np.float32)
    soft = sounds.fade(y, attack=0.1, release=0.2)
    assert soft[0] == 0 and soft[-1] == 0 and (y == 1).all()
    assert (soft[round(0.1 * SR) : round(0.8 * SR)] == 1).all()
    assert soft[-round(0.1 * SR)] == pytest.approx(0.5, abs=0.01)


def test_mix_keeps_levels_until_they_would_clip():
    quiet = sounds.mix([0.25, 0.25], [0.5])
    np.testing.assert_allclose(quiet, [0.75, 0.25])
    np.testing.assert_allclose(sounds.mix([1.0, 0.5], [1.0]), [1.0, 0.25])


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: sounds.tone(12000), "folds"),
        (lambda: sounds.tone(-1), "frequency=-1"),
        (lambda: sounds.tone(440, 0), "seconds=0"),
        (lambda: sounds.tone(440, 22050), "milliseconds or samples"),
        (lambda: sounds.tone(440, float("nan")), "seconds=nan"),
        (lambda: sounds.tone(440, sr=0), "sr=0"),
        (lambda: sounds.tone(440, amplitude=-6), "dB"),
        (lambda: sounds.chord([440, 20000]), "20000"),
        (lambda: sounds.chirp(0, 100, kind="logarithmic"), "0 Hz"),
        (lambda: sounds.chirp(10, 100, kind="cubic"), "cubic"),
        (lambda: sounds.noise(color="green"), "white, pink, brown"),
        (lambda: sounds.pluck(5000), "sr / 8"),
        (lambda: sounds.pluck(440, decay=0), "decay=0"),
        (lambda: sounds.fm(440, decay=0), "decay=0"),
        (lambda: sounds.partials([100, 200], amplitudes=[1]), "2 partials"),
        (lambda: sounds.partials([100], decays=-1), "decays"),
        (lambda: sounds.piano_note(140), "midi"),
        (lambda: sounds.fade([1.0], attack=-1), "-1"),
        (lambda: sounds.mix(), "nothing to mix"),
    ],
)
def test_an_unusable_number_is_named_with_its_value_and_the_way_out(call, says):
    with pytest.raises(AudiolibError, match=re.escape(says)):
        call()
