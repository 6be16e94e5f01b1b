"""What goes into and comes out of a batch of dose-response fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.hill import curve as _curve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Model = Literal["4p", "3p", "2p"]
Robust = Literal["tukey", "huber"]

#: Column order of every covariance and standard-error array.
PARAMETERS = ("h", "einf", "e0", "log_ec50")
#: Bits of ``HillFits.at_bound``, in the same order.
AT_BOUND = {"h": 1, "einf": 2, "e0": 4, "log_ec50": 8}


class Reason(IntEnum):
    """Why a curve has no estimate; ``NONE`` where it has one."""

    NONE = 0
    NO_DATA = 1
    NON_FINITE = 2
    NEGATIVE_DOSE = 3
    TOO_FEW_DOSES = 4
    TOO_FEW_OBSERVATIONS = 5
    IDENTICAL = 6
    SINGULAR = 7


#: A sentence for each reason, for reports.
REASON_TEXT: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.NO_DATA: "no observation with a finite dose and response",
    Reason.NON_FINITE: "a dose that is not a number, a negative weight, or a value beyond 1e100",
    Reason.NEGATIVE_DOSE: "a dose below zero",
    Reason.TOO_FEW_DOSES: "fewer distinct doses than free parameters, or fewer than two doses above zero",
    Reason.TOO_FEW_OBSERVATIONS: "no residual degree of freedom is left",
    Reason.IDENTICAL: "all responses are identical",
    Reason.SINGULAR: "the data do not determine all free parameters (singular covariance)",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Box within which parameters are sought.

    ``h``: slope. ``log10_ec50_margin``: decades the EC50 may lie below the lowest and above the highest dose
    above zero. ``e0`` and ``einf``: in units of the response.
    """

    h: tuple[float, float] = (0.1, 10.0)
    log10_ec50_margin: tuple[float, float] = (2.0, 2.0)
    e0: tuple[float, float] = (-np.inf, np.inf)
    einf: tuple[float, float] = (-np.inf, np.inf)

    def __post_init__(self) -> None:
        if not 0 < self.h[0] < self.h[1] < np.inf:
            raise ValueError(f"bounds of h must satisfy 0 < lower < upper < inf, got {self.h}")
        if not (0 <= self.log10_ec50_margin[0] < 30 and 0 <= self.log10_ec50_margin[1] < 30):
            raise ValueError(f"margins of the EC50 are decades between 0 and 30, got {self.log10_ec50_margin}")
        for name in ("e0", "einf"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"bounds of {name} must satisfy lower < upper, got {(low, high)}")


@dataclass(frozen=True, slots=True)
class DoseMeans:
    """The data of all curves, collapsed to weighted means per dose (sufficient for least squares).

    Ragged rows: the doses of curve ``i`` are ``x[start[i]:start[i + 1]]``, ascending; ``weight`` is the sum of
    the weights at that dose and ``mean`` the weighted mean response. ``cell_*`` hold the same per biological
    replicate (``cell_start`` rows; ``cell_replicate`` counts from 0 within a curve; ``cell_dose`` is the
    position of the dose within the curve); ``replicate_label`` are the labels as given, ascending, row ``i`` of
    ``replicate_start``. All of these are empty when no replicate was given.
    """

    start: Ints
    x: Floats
    weight: Floats
    mean: Floats
    cell_start: Ints
    cell_replicate: NDArray[np.int32]
    cell_dose: NDArray[np.int32]
    cell_weight: Floats
    cell_mean: Floats
    replicate_start: Ints
    replicate_label: Ints


@dataclass(frozen=True)
class HillFits:
    """Fits of N curves; every array has N entries unless a shape is given.

    ``e0``, ``einf``: response without drug and at infinite dose. ``ec50``: dose of the half-way response
    (relative), in the unit of ``x``. ``h``: slope, above 0 for falling and rising curves alike. ``rss``:
    residual sum of squares (weighted as given, also of a robust fit). ``s``: residual standard deviation; of a
    robust fit such that s^2 (J'WJ)^-1 with its final weights is the covariance. ``n``: observations used;
    ``n_missing``: observations left out because the response or weight was not a number or the weight was 0;
    ``n_doses``: distinct doses, dose 0 included; ``n_replicates``: biological replicates, 0 when none were given;
    ``df``: n minus the number of free parameters.
    ``at_bound``: bits of ``AT_BOUND``. ``cov`` [N, 4, 4] and ``se`` [N, 4]: in the order ``PARAMETERS``,
    with log EC50 a natural logarithm; zero for fixed and for bounded parameters, nan where not estimable.
    ``se_ec50``: EC50 x se of log EC50. ``tss``: weighted sum of squares about the mean; ``pure_ss``: about
    the dose means. ``x_min``, ``x_max``: lowest and highest dose above zero. ``reason``: codes of ``Reason``.

    Curves with reason ``SINGULAR`` keep their parameters, because the curve itself may be well determined
    (a step between two doses); all other reasons leave nan.
    """

    model: Model
    e0_fixed: float | None
    einf_fixed: float | None
    bounds: Bounds
    robust: Robust | None
    e0: Floats
    einf: Floats
    ec50: Floats
    h: Floats
    rss: Floats
    s: Floats
    n: Ints
    n_missing: Ints
    n_doses: Ints
    n_replicates: Ints
    df: Ints
    converged: Bools
    at_bound: NDArray[np.uint8]
    cov: Floats
    se: Floats
    se_ec50: Floats
    tss: Floats
    pure_ss: Floats
    x_min: Floats
    x_max: Floats
    reason: NDArray[np.uint8]
    data: DoseMeans = field(repr=False)

    def __len__(self) -> int:
        return int(self.h.size)

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return 4 - (self.e0_fixed is not None) - (self.einf_fixed is not None)

    @property
    def linear_kind(self) -> int:
        """Which of (Einf, E0) are free, as the engine counts: 0 both, 1 E0, 2 Einf, 3 neither."""
        return 2 * (self.e0_fixed is not None) + (self.einf_fixed is not None)

    @property
    def box(self) -> Floats:
        """Bounds of E0 and Einf in the order of the engine."""
        return np.array([*self.bounds.e0, *self.bounds.einf], dtype=np.float64)

    @property
    def margins(self) -> Floats:
        """How far the log EC50 may lie below and above the doses, in natural log units."""
        return np.array(self.bounds.log10_ec50_margin, dtype=np.float64) * float(np.log(10.0))

    @property
    def h_limits(self) -> Floats:
        """Bounds of h."""
        return np.array(self.bounds.h, dtype=np.float64)

    @property
    def status(self) -> NDArray[np.str_]:
        """``estimated`` or ``not_estimable`` per curve."""
        return np.where(self.reason == Reason.NONE, "estimated", "not_estimable")

    @property
    def estimated(self) -> Bools:
        """Where parameters and their covariance are known."""
        return np.asarray(self.reason == Reason.NONE)

    @property
    def flat_mean(self) -> Floats:
        """Response of the flat model (no dose dependence); its residual sum of squares is ``tss``."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.data.start))
        total = np.bincount(owner, self.data.weight, len(self))
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.bincount(owner, self.data.weight * self.data.mean, len(self)) / total)

    def predict(self, x: Floats | float) -> Floats:
        """Response at doses ``x``: a scalar or [N] gives [N]; [N, k] gives [N, k]."""
        x = np.asarray(x, dtype=np.float64)
        if x.ndim == 2:
            return _curve.predict(x, self.e0[:, None], self.einf[:, None], self.ec50[:, None], self.h[:, None])
        return _curve.predict(x, self.e0, self.einf, self.ec50, self.h)

    def inverse(self, level: Floats | float) -> Floats:
        """log10 of the dose at which the curve crosses ``level``; nan where it never does.

        The dose may lie outside the tested range: compare with ``x_min`` and ``x_max``.
        """
        return _curve.inverse(level, self.e0, self.einf, self.ec50, self.h)

    def auc(self, lo: Floats | float, hi: Floats | float, *, normalised: bool = False) -> Floats:
        """Exact integral of the curve over log10 dose from ``lo`` to ``hi`` (doses above 0).

        ``normalised`` divides by the width, so that a response of 1 at every dose gives 1.
        """
        return _curve.auc(lo, hi, self.e0, self.einf, self.ec50, self.h, normalised=normalised)

    def emax_at(self, x: Floats | float) -> Floats:
        """Response at dose ``x`` (by custom the highest tested): the reached effect, unlike ``einf``."""
        return self.predict(x)
