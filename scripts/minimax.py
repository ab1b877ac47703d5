"""Derives the polynomial coefficients and reduction constants of the emitted math functions.

Enters: the function, interval, degree and precision of each list are stated below; arguments after
the first pick lists by the beginnings of their names (default: all).
Leaves: one JSON object, written to the path given as the first argument or to standard output. Its
values are {coefficients (low order first), maxRelativeError}, and {hi, lo} or {parts} for the
constants of the argument reductions. A float32 list holds float32 values exactly.

Every list approximates F(x) = A(x) + B(x) * P(t(x)), and P minimises max |A + B*P - F| / |F|, the
relative error of the whole function (or, where a form states a scale S, max |A + B*P - F| / |S|).
The discrete minimax problem on Chebyshev points is solved as a linear programme on the residual,
which mpmath computes and which is scaled to 1, so that doubles suffice there; its unknowns are
coefficients of orthogonal polynomials, which are told apart better than powers. Rounding goes from
the leading coefficient upwards: a coefficient is fixed to one of its two neighbours in the target
precision, and the rest is fitted again.

An "_one" list has the constant term 1 exactly; a "_free" list was free to have another (and rounds
to 1 in all cases so far). Needs mpmath, numpy and scipy. Takes about five minutes.
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
    """F = A + B*P(t) on [low, high]; `count` coefficients of P are sought, errors relative to S."""

    whole: Real
    fixed: Real
    factor: Real
    variable: Real
    low: mp.mpf
    high: mp.mpf
    count: int
    scale: Real | None = None


def chebyshev_points(form: Form, count: int) -> list[mp.mpf]:
    """Points of [low, high], both ends and clustering towards them."""
    middle, half = (form.low + form.high) / 2, (form.high - form.low) / 2
    return [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


class Basis:
    """Polynomials of t that are orthogonal under a factor on a set of points (Stieltjes)."""

    def __init__(self, factors: list[mp.mpf], variable: list[mp.mpf], count: int) -> None:
        squares = [f * f for f in factors]
        before, now = [mp.mpf(0)] * len(variable), [mp.mpf(1)] * len(variable)
        powers_before, powers = [], [mp.mpf(1)]
        norm_before = mp.mpf(1)
        self.powers: list[list[mp.mpf]] = []
        columns = []
        for _ in range(count):
            terms = [w * p * p for w, p in zip(squares, now)]
            norm = mp.fsum(terms)
            size = 1 / max(abs(f * p) for f, p in zip(factors, now))
            columns.append([float(f * p * size) for f, p in zip(factors, now)])
            self.powers.append([a * size for a in powers])
            alpha = mp.fsum(t * x for t, x in zip(terms, variable)) / norm
            beta = norm / norm_before if powers_before else mp.mpf(0)
            now, before = [
                (x - alpha) * p - beta * q for x, p, q in zip(variable, now, before)
            ], now
            next_powers = [mp.mpf(0), *powers]
            for k, a in enumerate(powers):
                next_powers[k] -= alpha * a
            for k, a in enumerate(powers_before):
                next_powers[k] -= beta * a
            powers_before, powers, norm_before = powers, next_powers, norm
        self.columns = np.array(columns).T

    def to_powers(self, weights: list[mp.mpf]) -> list[mp.mpf]:
        """Coefficients of powers of t, from those of the basis."""
        result = [mp.mpf(0)] * len(weights)
        for weight, polynomial in zip(weights, self.powers):
            for power, a in enumerate(polynomial):
                result[power] += weight * a
        return result


class Samples:
    """A form's terms, each divided by S (or F), on a set of points where that is not 0."""

    def __init__(self, form: Form, count: int) -> None:
        tiny = mp.mpf(10) ** -30
        scale = form.scale or form.whole
        points = [x for x in chebyshev_points(form, count) if abs(scale(x)) > tiny]
        scales = [scale(x) for x in points]
        self.variable = [form.variable(x) for x in points]
        self.factor = [form.factor(x) / s for x, s in zip(points, scales)]
        self.rest = [(form.fixed(x) - form.whole(x)) / s for x, s in zip(points, scales)]
        self.bases: dict[int, Basis] = {}

    def basis(self, frozen: int, count: int) -> "Basis":
        """What the coefficients from index `frozen` on multiply."""
        if frozen not in self.bases:
            factors = [b * t**frozen for b, t in zip(self.factor, self.variable)]
            self.bases[frozen] = Basis(factors, self.variable, count - frozen)
        return self.bases[frozen]

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
    if frozen == len(start):
        return best_level, best
    basis = samples.basis(frozen, len(start))
    free = basis.columns
    # Every round shrinks the residual by what doubles resolve.
    ones = np.ones((free.shape[0], 1))
    left = np.block([[free, -ones], [-free, -ones]])
    cost = np.zeros(free.shape[1] + 1)
    cost[-1] = 1
    for _ in range(8):
        residual = np.array([float(e / best_level) for e in samples.residual(best)])
        right = np.concatenate([-residual, residual])
        solution = linprog(cost, A_ub=left, b_ub=right, bounds=(None, None), method="highs")
        if solution.x is None:
            break
        steps = [mp.mpf(a) * best_level for a in solution.x[:-1]]
        candidate = list(best)
        for j, step in enumerate(basis.to_powers(steps)):
            candidate[frozen + j] += step
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


def exponential_minus_one(count: int) -> Form:
    """e^g - 1 = g + g^2*P(g) for |g| <= ln(2)/2."""
    bound = mp.log(2) / 2 * mp.mpf("1.0001")
    return Form(
        whole=mp.expm1,
        fixed=lambda g: g,
        factor=lambda g: g * g,
        variable=lambda g: g,
        low=-bound,
        high=bound,
        count=count,
    )


def odd(function: Real, high: mp.mpf, count: int) -> Form:
    """An odd function with slope 1 at 0: x + x^3*P(x^2) on [0, high]."""
    return Form(
        whole=function,
        fixed=lambda x: x,
        factor=lambda x: x**3,
        variable=lambda x: x * x,
        low=mp.mpf(0),
        high=high,
        count=count,
    )


def error_function(count: int) -> Form:
    """erf(x) = x + x*P(x^2) on [0, 1]."""
    return Form(
        whole=mp.erf,
        fixed=lambda x: x,
        factor=lambda x: x,
        variable=lambda x: x * x,
        low=mp.mpf(0),
        high=mp.mpf(1),
        count=count,
    )


def error_function_tail(count: int, high: mp.mpf) -> Form:
    """log(erfc(x)) = P(x) on [1, high]; what counts is the error of erf(x) = 1 - e^P(x)."""
    return Form(
        whole=lambda x: mp.log(mp.erfc(x)),
        fixed=lambda _: mp.mpf(0),
        factor=lambda _: mp.mpf(1),
        variable=lambda x: x,
        low=mp.mpf(1),
        high=high,
        count=count,
        scale=lambda x: mp.erf(x) / mp.erfc(x),
    )


def scaled_complement(count: int, centre: mp.mpf, high: mp.mpf) -> Form:
    """e^(x^2) erfc(x) (1 + 2x) = 1 + P(t), t = (x - centre)/(x + centre), on [0, high]."""
    to_x: Real = lambda t: centre * (1 + t) / (1 - t)
    return Form(
        whole=lambda t: mp.exp(to_x(t) ** 2) * mp.erfc(to_x(t)) * (1 + 2 * to_x(t)),
        fixed=lambda _: mp.mpf(1),
        factor=lambda _: mp.mpf(1),
        variable=lambda t: t,
        low=mp.mpf(-1),
        high=(high - centre) / (high + centre),
        count=count,
    )


def cube_root(count: int) -> Form:
    """cbrt(m) = P(m) on [sqrt(1/2), sqrt(2)], as exactly as one step of Halley's needs it."""
    return Form(
        whole=mp.cbrt,
        fixed=lambda _: mp.mpf(0),
        factor=lambda _: mp.mpf(1),
        variable=lambda m: m,
        low=mp.sqrt(mp.mpf("0.5")),
        high=mp.sqrt(mp.mpf(2)),
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


@dataclass(frozen=True)
class Counts:
    """Numbers of coefficients of one precision."""

    bits: int
    exp: list[int]
    log: int
    sine: int
    expm1: int
    atan: int
    asin: int
    erf: int
    erf_tail: int
    erfc: int
    cbrt: int
    erf_high: mp.mpf
    erfc_centre: mp.mpf
    erfc_high: mp.mpf


COUNTS = {
    "f32": Counts(
        bits=24,
        exp=[5, 6],
        log=4,
        sine=3,
        expm1=5,
        atan=8,
        asin=5,
        erf=7,
        erf_tail=6,
        erfc=11,
        cbrt=3,
        erf_high=mp.mpf(4),
        erfc_centre=mp.mpf("2.5"),
        erfc_high=mp.mpf("9.375"),
    ),
    "f64": Counts(
        bits=53,
        exp=[11, 12],
        log=7,
        sine=6,
        expm1=10,
        atan=20,
        asin=12,
        erf=12,
        erf_tail=18,
        erfc=23,
        cbrt=6,
        erf_high=mp.mpf(6),
        erfc_centre=mp.mpf(4),
        erfc_high=mp.mpf("26.75"),
    ),
}


def forms(counts: Counts) -> dict[str, Form]:
    """The lists of one precision by name; exponentials apart."""
    return {
        "log": logarithm(counts.log),
        "sin": sine(counts.sine),
        "cos": cosine(counts.sine),
        "expm1": exponential_minus_one(counts.expm1),
        "atan": odd(mp.atan, mp.mpf(1), counts.atan),
        "asin": odd(mp.asin, mp.mpf("0.5"), counts.asin),
        "erfTail": error_function_tail(counts.erf_tail, counts.erf_high),
        "erf": error_function(counts.erf),
        "erfc": scaled_complement(counts.erfc, counts.erfc_centre, counts.erfc_high),
        "cbrt": cube_root(counts.cbrt),
    }


def main() -> None:
    result: dict[str, object] = {}
    wanted = tuple(sys.argv[2:]) or ("",)
    functions = [
        ("exp2", mp.log(2), mp.mpf("0.5")),
        ("exp", mp.mpf(1), mp.log(2) / 2 * mp.mpf("1.0001")),
    ]
    for precision, counts in COUNTS.items():
        for name, base_log, bound in functions:
            for degree in counts.exp:
                key = f"{name}_{precision}_degree{degree}"
                if not key.startswith(wanted):
                    continue
                free = exponential(base_log, bound, degree, False)
                result[f"{key}_free"] = fit(free, counts.bits)
                one = exponential(base_log, bound, degree, True)
                result[f"{key}_one"] = with_one(fit(one, counts.bits))
        for name, form in forms(counts).items():
            if f"{name}_{precision}".startswith(wanted):
                result[f"{name}_{precision}"] = fit(form, counts.bits)
    # k*hi is exact where hi has no more bits than the format's less those of k: 8 of |k| <= 160, 11
    # of |k| <= 1100, 20 of |k| <= 2^20.
    for precision, hi_bits, lo_bits in [("f32", 16, 24), ("f64", 42, 53)]:
        hi, lo = split(mp.log(2), [hi_bits, lo_bits])
        result[f"ln2_{precision}"] = {"hi": hi, "lo": lo}
        hi, lo = split(mp.log10(2), [hi_bits, lo_bits])
        result[f"log10of2_{precision}"] = {"hi": hi, "lo": lo}
    for precision, bits in [("f32", 24), ("f64", 53)]:
        for name, value in [("log2e", 1 / mp.log(2)), ("log10e", 1 / mp.log(10))]:
            with mp.workprec(bits):
                hi = +(2 * value)
            lo = 2 * value - hi
            with mp.workprec(bits):
                lo = +lo
            result[f"twice_{name}_{precision}"] = {"hi": float(hi), "lo": float(lo)}
    result["halfPi_f64"] = {"parts": split(mp.pi / 2, [33, 33, 53])}
    result["halfPi_far_f64"] = {"parts": split(mp.pi / 2, [26, 26, 26, 26, 53])}
    result["halfPi_f64_four"] = {"parts": split(mp.pi / 2, [33, 33, 33, 53])}
    text = json.dumps(result, indent=1)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
