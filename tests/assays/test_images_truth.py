"""Images whose content is known: counts, areas, overlaps and correlations against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from rechallenge.assays.images import segment


def scattered(n: int, size: int, apart: float, rng: np.random.Generator, edge: float) -> np.ndarray:
    """At most n places [n, 2] at least `apart` pixels from one another."""
    places: list[np.ndarray] = []
    for _ in range(20_000):
        if len(places) == n:
            break
        place = rng.uniform(edge, size - edge, 2)
        if all(np.hypot(*(place - other)) >= apart for other in places):
            places.append(place)
    return np.array(places)


def nuclei_field(seed: int, slope: float) -> tuple[np.ndarray, int, np.ndarray]:
    """60 ellipses of 9 to 13 pixels radius, some touching, of unlike brightness, blurred, on a background that rises by
    `slope` over the image, with photon noise; their number and areas."""
    rng = np.random.default_rng(seed)
    size = 400
    places = scattered(60, size, 24, rng, 20)
    y, x = np.mgrid[:size, :size]
    image, areas = np.zeros((size, size)), []
    for a, b in places:
        radius, flat, turn = rng.uniform(9, 13), rng.uniform(0.85, 1), rng.uniform(0, np.pi)
        u = (y - a) * np.cos(turn) + (x - b) * np.sin(turn)
        v = (x - b) * np.cos(turn) - (y - a) * np.sin(turn)
        inside = (u / radius) ** 2 + (v / (radius * flat)) ** 2 <= 1
        image[inside] = np.maximum(image[inside], rng.lognormal(np.log(150), 0.35))
        areas.append(inside.sum())
    blurred = ndimage.gaussian_filter(image, 1.3) + 20 + slope * x / size
    return rng.poisson(blurred).astype(float), len(places), np.array(areas)


@pytest.mark.parametrize("slope", [0.0, 60.0])
def test_nuclei_are_counted_and_measured(slope: float) -> None:
    """Counts within 2 % over three fields and areas within 3 %, with a level and a rising background."""
    found, true, areas = 0, 0, []
    for seed in range(3):
        image, n, area = nuclei_field(seed, slope)
        objects = segment.nuclei(image, 22)
        found, true = found + objects.n, true + n
        areas.append(np.median(objects.areas) / np.median(area))
    assert abs(found / true - 1) < 0.02 and abs(np.mean(areas) - 1) < 0.03


def test_droplets_are_counted_and_measured() -> None:
    """100 droplets of 2 to 4 pixels radius whose brightness differs threefold, on an uneven background: the dimmest of
    the smallest are missed (4 to 13 % of a field, measured), and the total area is right within 10 %."""
    counts, areas = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        size = 300
        places = scattered(100, size, 10, rng, 10)
        y, x = np.mgrid[:size, :size]
        image, true = np.zeros((size, size)), 0.0
        for a, b in places:
            radius = rng.uniform(2, 4)
            image[(y - a) ** 2 + (x - b) ** 2 <= radius**2] = rng.uniform(60, 200)
            true += np.pi * radius**2
        wave = ndimage.gaussian_filter(rng.normal(size=image.shape), 40)
        light = ndimage.gaussian_filter(image, 1.0) + 60 + 15 * wave / wave.std()
        flat = segment.flattened(rng.poisson(np.maximum(light, 1)).astype(float), 6)
        spots = segment.spots(flat, segment.spot_threshold(flat), 4)
        counts.append(spots.n / len(places))
        areas.append(spots.areas.sum() / true)
    assert 0.85 < min(counts) <= np.mean(counts) < 1.02 and abs(np.mean(areas) - 1) < 0.1


def discs_image(places: np.ndarray, seed: int, size: int = 400) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    image = np.zeros((size, size))
    for a, b in places:
        image[(y - a) ** 2 + (x - b) ** 2 <= 16] = 120
    return np.random.default_rng(seed).poisson(ndimage.gaussian_filter(image, 1) + 15).astype(float)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_manders_coefficients_are_the_shares_planted(share: float) -> None:
    """60 discs in one channel; a share of them, and 30 elsewhere, in the other: M1 is the share, M2 that of the other
    channel, both within .03."""
    rng = np.random.default_rng(1)
    places = scattered(90, 400, 14, rng, 10)
    shared = int(60 * share)
    a, b = places[:60], np.vstack([places[:shared], places[60:]])
    found = segment.colocalisation(discs_image(a, 2), discs_image(b, 3), 16, 99, 0)
    assert found is not None
    assert found.m1 == pytest.approx(share, abs=0.03) and found.m2 == pytest.approx(shared / (shared + 30), abs=0.03)
    assert found.p_m1 == found.p_m2 == 0.01


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.7])
def test_pearsons_r_is_that_planted(rho: float) -> None:
    """Textures with correlation rho, and noise of a quarter of their variance in both: r is rho / 1.25."""
    seen = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        a, c = (ndimage.gaussian_filter(rng.normal(size=(300, 300)), 1.5) for _ in range(2))
        a, c = a / a.std(), c / c.std()
        b = rho * a + np.sqrt(1 - rho**2) * c
        a, b = (100 + 10 * (v + 0.5 * rng.normal(size=v.shape)) for v in (a, b))
        found = segment.colocalisation(a, b, 16, 99, seed)
        assert found is not None
        seen.append(found.pearson)
        assert rho == 0 or found.p_pearson == 0.01
    assert np.mean(seen) == pytest.approx(rho / 1.25, abs=0.02)


@pytest.mark.slow
def test_unrelated_textures_finer_than_the_blocks_keep_the_level() -> None:
    """Textures of about 3 pixels in blocks of 16: 5 % of p within binomial error (300 pairs)."""
    p = []
    for seed in range(300):
        rng = np.random.default_rng(1000 + seed)
        a, b = (ndimage.gaussian_filter(rng.normal(size=(200, 200)), 1) for _ in range(2))
        found = segment.colocalisation(a, b, 16, 99, seed)
        assert found is not None
        p.append((found.p_pearson, found.p_m1, found.p_m2))
    assert (np.abs(np.mean(np.array(p) <= 0.05, axis=0) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 300)).all()
