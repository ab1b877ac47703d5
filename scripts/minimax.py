"""Derives the polynomial coefficients and reduction constants of the emitted math functions.

Enters: nothing (the function, interval, degree and precision of each list are stated below).
Leaves: one JSON object, written to the path given as the first argument or to standard output. Its
values are {coefficients (low order first), maxRelativeError}, and {hi, lo} or {parts} for the
constants of the argument reductions. A float32 list holds float32 values exactly.

Every list approximates F(x) = A(x) + B(x) * P(t(x)), and P minimises max |A + B*P - F| / |F|, the
relative error of the whole function. The discrete minimax problem on Chebyshev points is solved as
a linear programme on the residual, which mpmath computes and which is scaled to 1, so that doubles
suffice there. Rounding goes from the leading coefficient upwards: a coefficient is fixed to one of
its two neighbours in the target precision, and the rest is fitted again.

An "_one" list has the constant term 1 exactly; a "_free" list was free to have another (and rounds
to 1 in all cases so far). Needs mpmath, numpy and scipy. Takes about a minute and a half.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

mp.mp.prec = 200

FIT_POINTS = 301
CHECK_POINTS = 6001
BEAM_WIDTH = 4

Real = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Form:
    """F = A + B*P(t) on [low, high]; `count` coefficients of P are sought."""

    whole: Real
    fixed: Real
    factor: Real
    variable: Real
    low: mp.mpf
    high: mp.mpf
    count: int


def chebyshev_points(form: Form, count: int) -> list[mp.mpf]:
    """Points of [low, high], both ends and clustering towards them."""
    middle, half = (form.low + form.high) / 2, (form.high - form.low) / 2
    return [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


class Samples:
    """A form's terms, each divided by F, on a set of points where F is not 0."""

    def __init__(self, form: Form, count: int) -> None:
        tiny = mp.mpf(10) ** -30
        points = [x for x in chebyshev_points(form, count) if abs(form.whole(x)) > tiny]
        self.variable = [form.variable(x) for x in points]
        self.factor = [form.factor(x) / form.whole(x) for x in points]
        self.rest = [form.fixed(x) / form.whole(x) - 1 for x in points]
        self.scale = max(abs(t) for t in self.variable)
        t = np.array([float(t / self.scale) for t in self.variable])
        factor = np.array([float(b) for b in self.factor])
        self.basis = np.stack([factor * t**j for j in range(form.count)], axis=1)

    def residual(self, coefficients: list[mp.mpf]) -> list[mp.mpf]:
        """The relative error at each point."""
        errors = []
        for t, factor, rest in zip(self.variable, self.factor, self.rest):
            value = mp.mpf(0)
            for c in reversed(coefficients):
                value = value * t + c
            errors.append(rest + factor * value)
        return errors

    def level(self, coefficients: list[mp.mpf]) -> mp.mpf:
        """The greatest relative error."""
        return max(abs(e) for e in self.residual(coefficients))


def refit(samples: Samples, start: list[mp.mpf], frozen: int) -> tuple[mp.mpf, list[mp.mpf]]:
    """The coefficients from index `frozen` on that minimise the level, and that level."""
    best, best_level = start, samples.level(start)
    free = samples.basis[:, frozen:]
    if free.shape[1] == 0:
        return best_level, best
    # A column is scaled to 1 at most, and every round shrinks the residual by what doubles resolve.
    columns = np.abs(free).max(axis=0)
    scaled = free / columns
    ones = np.ones((scaled.shape[0], 1))
    left = np.block([[scaled, -ones], [-scaled, -ones]])
    cost = np.zeros(scaled.shape[1] + 1)
    cost[-1] = 1
    for _ in range(8):
        residual = np.array([float(e / best_level) for e in samples.residual(best)])
        right = np.concatenate([-residual, residual])
        solution = linprog(cost, A_ub=left, b_ub=right, bounds=(None, None), method="highs")
        if solution.x is None:
            break
        candidate = list(best)
        for j in range(scaled.shape[1]):
            step = mp.mpf(solution.x[j]) / mp.mpf(columns[j]) * best_level
            candidate[frozen + j] += step / samples.scale ** (frozen + j)
        level = samples.level(candidate)
        if level >= best_level * (1 - mp.mpf("1e-4")):
            break
        best, best_level = candidate, level
    return best_level, best


def round_down(value: mp.mpf, bits: int) -> mp.mpf:
    """The neighbour of `value` below it with `bits` significant bits."""
    unit = mp.mpf(2) ** (int(mp.floor(mp.log(abs(value), 2))) + 1 - bits)
    return mp.floor(value / unit) * unit


def neighbours(value: mp.mpf, bits: int) -> list[mp.mpf]:
    """The two values of `bits` significant bits around `value`."""
    below = round_down(value, bits)
    return [below, -round_down(-value, bits)]


def fit(form: Form, bits: int) -> dict[str, object]:
    """Minimax coefficients of `bits` significant bits: rounded in order, refitted after each."""
    samples = Samples(form, FIT_POINTS)
    beam = [refit(samples, [mp.mpf(0)] * form.count, 0)]
    ideal = beam[0][0]
    for index in range(form.count):
        next_beam = {}
        for _, coefficients in beam:
            for rounded in neighbours(coefficients[index], bits):
                start = list(coefficients)
                start[index] = rounded
                level, refitted = refit(samples, start, index + 1)
                next_beam[tuple(refitted[: index + 1])] = (level, refitted)
        beam = sorted(next_beam.values(), key=lambda entry: entry[0])[:BEAM_WIDTH]
    coefficients = [float(c) for c in beam[0][1]]
    level = Samples(form, CHECK_POINTS).level([mp.mpf(c) for c in coefficients])
    return {
        "coefficients": coefficients,
        "maxRelativeError": float(level),
        "log2MaxRelativeError": round(float(mp.log(level, 2)), 2),
        "log2Unrounded": round(float(mp.log(ideal, 2)), 2),
    }


def exponential(base_log: mp.mpf, bound: mp.mpf, degree: int, constant_is_one: bool) -> Form:
    """b^x on [-bound, bound]: P(x), or 1 + x*P(x)."""
    return Form(
        whole=lambda x: mp.exp(x * base_log),
        fixed=lambda _: mp.mpf(1 if constant_is_one else 0),
        factor=lambda x: x if constant_is_one else mp.mpf(1),
        variable=lambda x: x,
        low=-bound,
        high=bound,
        count=degree if constant_is_one else degree + 1,
    )


def logarithm(count: int) -> Form:
    """log((1+s)/(1-s)) = 2s + s*z*P(z), z = s*s, for (1+s)/(1-s) up to sqrt(2)."""
    return Form(
        whole=lambda s: 2 * mp.atanh(s),
        fixed=lambda s: 2 * s,
        factor=lambda s: s**3,
        variable=lambda s: s * s,
        low=mp.mpf(0),
        high=(mp.sqrt(2) - 1) / (mp.sqrt(2) + 1),
        count=count,
    )


def sine(count: int) -> Form:
    """sin(r) = r + r^3*P(r^2) on [0, pi/4]."""
    return Form(
        whole=mp.sin,
        fixed=lambda r: r,
        factor=lambda r: r**3,
        variable=lambda r: r * r,
        low=mp.mpf(0),
        high=mp.pi / 4,
        count=count,
    )


def cosine(count: int) -> Form:
    """cos(r) = 1 - r^2/2 + r^4*P(r^2) on [0, pi/4]."""
    return Form(
        whole=mp.cos,
        fixed=lambda r: 1 - r * r / 2,
        factor=lambda r: r**4,
        variable=lambda r: r * r,
        low=mp.mpf(0),
        high=mp.pi / 4,
        count=count,
    )


def split(value: mp.mpf, bits: list[int]) -> list[float]:
    """Successive leading parts of `value`, truncated to these numbers of bits, the last rounded."""
    parts = []
    for index, count in enumerate(bits):
        if index + 1 < len(bits):
            part = round_down(value, count)
        else:
            with mp.workprec(count):
                part = +value
        parts.append(float(part))
        value -= part
    return parts


def with_one(entry: dict[str, object]) -> dict[str, object]:
    """Puts the constant term back in front."""
    return {**entry, "coefficients": [1.0, *entry["coefficients"]]}


def main() -> None:
    result: dict[str, object] = {}
    functions = [
        ("exp2", mp.log(2), mp.mpf("0.5")),
        ("exp", mp.mpf(1), mp.log(2) / 2 * mp.mpf("1.0001")),
    ]
    for precision, bits, degrees in [("f32", 24, [5, 6]), ("f64", 53, [11, 12])]:
        for name, base_log, bound in functions:
            for degree in degrees:
                key = f"{name}_{precision}_degree{degree}"
                free = exponential(base_log, bound, degree, False)
                result[f"{key}_free"] = fit(free, bits)
                one = exponential(base_log, bound, degree, True)
                result[f"{key}_one"] = with_one(fit(one, bits))
    for precision, bits, log_count, sin_count in [("f32", 24, 4, 3), ("f64", 53, 7, 6)]:
        result[f"log_{precision}"] = fit(logarithm(log_count), bits)
        result[f"sin_{precision}"] = fit(sine(sin_count), bits)
        result[f"cos_{precision}"] = fit(cosine(sin_count), bits)
    # k*hi is exact where hi has no more bits than the format's less those of k: 8 of |k| <= 160, 11
    # of |k| <= 1100, 20 of |k| <= 2^20.
    for precision, hi_bits, lo_bits in [("f32", 16, 24), ("f64", 42, 53)]:
        hi, lo = split(mp.log(2), [hi_bits, lo_bits])
        result[f"ln2_{precision}"] = {"hi": hi, "lo": lo}
    result["halfPi_f64"] = {"parts": split(mp.pi / 2, [33, 33, 53])}
    result["halfPi_f64_four"] = {"parts": split(mp.pi / 2, [33, 33, 33, 53])}
    text = json.dumps(result, indent=1)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
