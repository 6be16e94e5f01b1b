"""Nuclei, spots, stained area and colocalisation in single images: plain arrays in, numbers and masks out.

Classical steps only (no trained model): smoothing, background by a wide morphological opening, Otsu's threshold
(doi:10.1109/TSMC.1979.4310076), watershed on the distance map; colour deconvolution for DAB (Ruifrok and Johnston 2001,
PMID 11531144); Manders' and Pearson's coefficients (doi:10.1111/j.1365-2818.1993.tb03313.x) against images whose blocks
were shuffled (Costes et al. 2004, doi:10.1529/biophysj.103.038422). scikit-image: doi:10.7717/peerj.453.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int64]

#: an image whose pixels above the threshold do not stand out by this many noise deviations shows nothing
MIN_CONTRAST = 4.0


@dataclass(frozen=True)
class Objects:
    """Labelled objects ``labels`` [y, x] (0 = background) and their areas [n] in pixels."""

    labels: Labels
    areas: Floats

    @property
    def n(self) -> int:
        return int(self.areas.size)


@dataclass(frozen=True)
class Coloc:
    """Pearson's r and Manders' M1, M2 of two channels with p-values against shuffled blocks, (b + 1) / (m + 1)."""

    pearson: float
    m1: float
    m2: float
    p_pearson: float
    p_m1: float
    p_m2: float
    shuffles: int


def noise(image: Floats) -> float:
    """Standard deviation of the noise from differences of neighbours (robust; 0 for an image without any)."""
    step = np.abs(np.diff(image, axis=1))
    return float(np.median(step) / 0.6745 / np.sqrt(2))


def flattened(image: Floats, radius: float) -> Floats:
    """The image over its background, the latter by an opening much wider than the objects (radius in pixels)."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(image, 1.0)
    size = max(int(2 * radius) | 1, 3)
    back = ndimage.grey_opening(smooth, size=(size, size))
    return np.asarray(smooth - ndimage.gaussian_filter(back, size / 4))


def otsu(values: Floats) -> float:
    """Otsu's threshold; nan where all values are equal."""
    from skimage.filters import threshold_otsu

    if values.size < 2 or float(np.ptp(values)) <= 0:
        return float("nan")
    return float(threshold_otsu(values))


def nuclei(image: Floats, diameter: float = 0.0) -> Objects:
    """Nuclei of about `diameter` pixels (0: the median of what stands out); objects smaller than a twelfth of that disc
    are no nuclei. The threshold is set on square roots, so that bright mitotic nuclei do not hide dim ones."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.measure import label
    from skimage.segmentation import watershed

    smooth = ndimage.gaussian_filter(image, 1.0)
    root = np.sqrt(np.maximum(smooth - np.quantile(smooth, 0.01), 0.0))
    threshold = otsu(root)
    empty = Objects(np.zeros(image.shape, dtype=np.int64), np.zeros(0))
    if not np.isfinite(threshold):
        return empty
    mask = root > threshold
    inside, outside = smooth[mask], smooth[~mask]
    if not inside.size or not outside.size:
        return empty
    spread = 1.4826 * float(np.median(np.abs(outside - np.median(outside))))
    if np.median(inside) - np.median(outside) < MIN_CONTRAST * max(spread, 1e-12):
        return empty
    mask = ndimage.binary_fill_holes(mask)
    parts = label(mask)
    if diameter <= 0:
        areas = np.bincount(parts.ravel())[1:]
        areas = areas[areas >= 30]
        if not areas.size:
            return empty
        diameter = 2 * float(np.sqrt(np.median(areas) / np.pi))
    smallest = np.pi * (diameter / 2) ** 2 / 12
    mask = _large(parts, smallest) > 0
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), max(diameter / 12, 1.0))
    apart = max(int(diameter / 2.5), 2)
    peaks = peak_local_max(distance, min_distance=apart, labels=label(mask), exclude_border=False)
    seeds = np.zeros(mask.shape, dtype=np.int64)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = _large(watershed(-distance, seeds, mask=mask), smallest)
    return _objects(_large(_to_half(found, smooth, diameter), smallest))


def _to_half(labels: Labels, smooth: Floats, diameter: float) -> Labels:
    """Objects cut at half the way from the background to their own median: where blur leaves the border of a flat
    object. A threshold for the whole image lies lower and gives areas that are too large."""
    from scipy import ndimage

    n = int(labels.max())
    if not n:
        return labels
    size = int(3 * diameter) | 1
    back = ndimage.gaussian_filter(ndimage.grey_opening(smooth, size=(size, size)), diameter)
    above = smooth - back
    level = np.r_[np.inf, 0.5 * np.asarray(ndimage.median(above, labels, np.arange(1, n + 1)))]
    return np.asarray(np.where(above >= level[labels], labels, 0), dtype=np.int64)


def _large(labels: NDArray[np.integer], smallest: float) -> Labels:
    """Labels without objects below `smallest` pixels, renumbered from 1."""
    area = np.bincount(labels.ravel())
    keep = area >= smallest
    keep[0] = False
    number = np.cumsum(keep) * keep
    return np.asarray(number[labels], dtype=np.int64)


def _objects(labels: Labels) -> Objects:
    return Objects(labels, np.bincount(labels.ravel())[1:].astype(np.float64))


def spots(flat: Floats, threshold: float, smallest: float) -> Objects:
    """Droplets, vesicles or foci in a `flattened` image above `threshold`; touching ones are parted at their peaks."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.measure import label
    from skimage.segmentation import watershed

    mask = flat > threshold
    if not mask.any():
        return Objects(np.zeros(flat.shape, dtype=np.int64), np.zeros(0))
    parts = label(mask)
    peaks = peak_local_max(flat, min_distance=2, labels=parts, exclude_border=False)
    seeds = np.zeros(mask.shape, dtype=np.int64)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = _large(watershed(-flat, seeds, mask=mask), max(smallest, 1.0))
    n = int(found.max())
    if not n:
        return _objects(found)
    # cut each at half its height, where blur leaves the border; one level for all makes bright spots too large. The
    # height is half way between the maximum, which noise raises, and the median of the upper half, which blur lowers.
    each = np.arange(1, n + 1)
    highest = np.asarray(ndimage.maximum(flat, found, each))
    upper = np.where(flat >= np.r_[np.inf, 0.5 * highest][found], found, 0)
    level = np.r_[np.inf, 0.25 * (highest + np.asarray(ndimage.median(flat, upper, each)))]
    return _objects(_large(np.where(flat >= level[found], found, 0), 1.0))


def spot_threshold(flat: Floats) -> float:
    """Level above which a `flattened` image holds spots: Otsu's, but at least `MIN_CONTRAST` deviations of the rest
    above it; nan where all pixels are equal."""
    level = otsu(flat)
    if not np.isfinite(level):
        return float("nan")
    middle = float(np.median(flat))
    spread = 1.4826 * float(np.median(np.abs(flat - middle)))
    return max(level, middle + MIN_CONTRAST * max(spread, 1e-12))


def stains(rgb: Floats) -> tuple[Floats, Floats]:
    """Amounts of haematoxylin and DAB [y, x] in a bright-field image [y, x, 3] with values 0 to 1."""
    from skimage.color import rgb2hed

    hed = rgb2hed(np.clip(rgb, 0.0, 1.0))
    return hed[..., 0], hed[..., 2]


def tissue(rgb: Floats) -> Mask:
    """Pixels of a bright-field image that are not bare glass: darker than 85 % of the brightest percentile, or
    coloured."""
    grey = rgb.mean(axis=2)
    white = float(np.quantile(grey, 0.99))
    colour = rgb.max(axis=2) - rgb.min(axis=2)
    return np.asarray((grey < 0.85 * white) | (colour > 0.12))


def per_object(image: Floats, objects: Objects) -> Floats:
    """Mean of an image in each object [n]."""
    total = np.bincount(objects.labels.ravel(), weights=image.ravel(), minlength=objects.n + 1)[1:]
    return np.asarray(total / np.maximum(objects.areas, 1.0))


def colocalisation(a: Floats, b: Floats, block: int, shuffles: int, seed: int) -> Coloc | None:
    """Pearson's r over all pixels, M1 (share of a's signal where b is) and M2 above Otsu's thresholds, and how often
    images with b's blocks of `block` x `block` pixels in random order have as much. None where a channel is empty or
    the image has fewer than nine blocks."""
    rows, columns = (n // block for n in a.shape)
    ta, tb = otsu(a), otsu(b)
    if rows * columns < 9 or not (np.isfinite(ta) and np.isfinite(tb)):
        return None
    a, b = (v[: rows * block, : columns * block] for v in (a, b))
    signal_a, signal_b = np.maximum(a - ta, 0.0), np.maximum(b - tb, 0.0)
    if signal_a.sum() <= 0 or signal_b.sum() <= 0:
        return None

    def tiles(v: Floats) -> Floats:
        """[blocks, pixels]"""
        return v.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(rows * columns, -1)

    za, zb = (tiles((v - v.mean()) / v.std()) for v in (a, b))
    sa, sb = tiles(signal_a), tiles(signal_b)
    ma, mb = (sa > 0).astype(np.float64), (sb > 0).astype(np.float64)
    # every statistic is a sum over blocks of products of one block of a and one of b: one matrix holds all pairings
    pairs = (za @ zb.T / a.size, sa @ mb.T / sa.sum(), ma @ sb.T / sb.sum())
    seen = [float(np.trace(p)) for p in pairs]
    rng = np.random.default_rng(seed)
    at = np.arange(rows * columns)
    drawn = np.array([[p[at, order].sum() for p in pairs] for order in (rng.permutation(at) for _ in range(shuffles))])
    p = [(1 + int((drawn[:, i] >= seen[i] - 1e-12).sum())) / (shuffles + 1) for i in range(3)]
    return Coloc(seen[0], seen[1], seen[2], p[0], p[1], p[2], shuffles)


def outlined(image: NDArray[np.floating], labels: Labels, most: int = 360) -> NDArray[np.uint8]:
    """A small picture [y, x, 3] of an image (grey or colour) with the borders of the objects in orange."""
    from skimage.segmentation import find_boundaries
    from skimage.transform import resize

    low, high = (float(q) for q in np.quantile(image, [0.01, 0.998]))
    shown = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
    rgb = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
    share = min(1.0, most / max(rgb.shape[:2]))
    size = max(int(rgb.shape[0] * share), 1), max(int(rgb.shape[1] * share), 1)
    small = resize(rgb, (*size, 3), order=1, anti_aliasing=share < 1, preserve_range=True)
    at = (np.arange(n) / share for n in size)
    rows, columns = (np.minimum(v.astype(int), n - 1) for v, n in zip(at, rgb.shape[:2], strict=True))
    edge = find_boundaries(labels[np.ix_(rows, columns)], mode="inner")
    small[edge] = (0.9, 0.37, 0.0)
    return np.asarray(np.round(255 * np.clip(small, 0, 1)), dtype=np.uint8)
