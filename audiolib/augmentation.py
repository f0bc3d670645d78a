"""What training shows a network instead of the segments themselves, drawn anew each time.

Batches are float32 ``[segment, frame, band]``. Everything is drawn from the generator that is passed in.

Chapters: 13_elsewhere
"""

from __future__ import annotations

import numpy as np


class Augmentation:
    """Batches of the training part, normalised and changed as ``recipe.AUGMENTATIONS`` describes.

    Parameters
    ----------
    settings : dict
        Of the recipe; what is not there is off.
    features : Features
    train : int array [segment]
        The training part. Cuts reach into the next segment of a clip only if that is in it too.
    mean, deviation : float or array [band]
        The input is normalised by them.
    """

    def __init__(self, settings, features, train, mean, deviation):
        self.settings, self.x, self.mean, self.deviation = settings, features.x, mean, deviation
        # Masks are filled with the mean of the training part, which after normalisation is 0.
        normalised = np.ndim(mean) > 0
        masks = settings.get("time_mask") or settings.get("band_mask")
        self.fill = 0.0 if normalised or not masks else features.x[train].mean(axis=(0, 1))
        self.following = np.arange(len(features.x))  # of a segment without a successor: itself, so that it is rolled
        in_train = np.zeros(len(features.x), bool)
        in_train[train] = True
        joined = in_train[:-1] & in_train[1:] & (features.clip[:-1] == features.clip[1:])
        self.following[:-1][joined] += 1

    def __call__(self, rows, rng):
        """The batch of these rows: float32 [segment, frame, band]."""
        frames, bands = self.x.shape[1:]
        if share := self.settings.get("time_shift"):
            position = rng.integers(0, int(share * frames) + 1, len(rows))[:, None] + np.arange(frames)
            source = np.where(position < frames, rows[:, None], self.following[rows][:, None])
            x = self.x[source, position % frames]
        else:
            x = self.x[rows]
        if strength := self.settings.get("band_gain"):
            x = x + _equaliser(len(rows), bands, strength, rng)[:, None, :]
        x = (x - self.mean) / self.deviation
        if most := self.settings.get("band_shift"):
            band = np.arange(bands) + rng.integers(-most, most + 1, len(rows))[:, None]
            x = np.take_along_axis(x, np.clip(band, 0, bands - 1)[:, None, :], axis=2)  # the edge band is repeated
        for name, axis in (("time_mask", 1), ("band_mask", 2)):
            if share := self.settings.get(name):
                size = x.shape[axis]
                width = rng.integers(0, int(share * size) + 1, len(rows))
                start = rng.integers(0, size - width + 1)
                place = np.arange(size)
                masked = (place >= start[:, None]) & (place < (start + width)[:, None])
                x = np.where(masked[:, :, None] if axis == 1 else masked[:, None, :], self.fill, x)
        return x.astype(np.float32, copy=False)

    def mix(self, x, target, rng):
        """Mixup (Zhang, Cisse, Dauphin, Lopez-Paz, 2018): each segment with a share of another one of the batch.

        Parameters
        ----------
        x : array [segment, frame, band]
        target : float array [segment, class]
            One-hot classes; they are mixed alike.
        """
        if alpha := self.settings.get("mixup"):
            share = rng.beta(alpha, alpha, len(x)).astype(np.float32)
            other = rng.permutation(len(x))
            x = share[:, None, None] * x + (1 - share[:, None, None]) * x[other]
            target = share[:, None] * target + (1 - share[:, None]) * target[other]
        return x, target


def _equaliser(segments, bands, deviation, rng):
    """Gains in dB [segment, band]: normally distributed at a few points of the axis of bands, straight lines between.

    After FilterAugment (Nam, Kim, Park, 2022): other microphones, rooms and studios for the same music.
    """
    points = rng.integers(3, 7)
    gains = rng.normal(0, deviation, (segments, points))
    place = np.linspace(0, points - 1, bands)[:, None]
    near = np.maximum(0, 1 - np.abs(place - np.arange(points)))  # [band, point]: shares of the two next to a band
    return gains @ near.T
