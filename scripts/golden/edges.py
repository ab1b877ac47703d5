"""Ops, gradients and reductions at zeros, infinities, NaN, ties, bounds: conventions decide."""

import numpy as np

from .inputs import INF, NAN
from .references import (
    bspline, concat, largest, one_hot, round_half_away, rsqrt, smallest, softdtw, sqdist, step,
    total, where_largest, where_smallest,
)
from .table import edge

# One row per value, no j variable: the answer is the op's value at that number (but for the sign
# of a zero, which the sum's 0 + (-0) loses).
POINTS = [0.0, -0.0, 4.0, -4.0, INF, -INF, NAN]


def at(points):
    return {"data": {"X": points}}


edge("rsqrt at 0, inf, NaN", "Rsqrt(X)", "X:i1", lambda v: rsqrt(v.X), **at(POINTS))
edge("sqrt at 0, inf, NaN", "Sqrt(X)", "X:i1", lambda v: np.sqrt(v.X), **at(POINTS))
edge("log at 0, inf, NaN", "Log(X)", "X:i1", lambda v: np.log(v.X), **at(POINTS))
edge("exp at 0, inf, NaN, overflow", "Exp(X)", "X:i1", lambda v: np.exp(v.X),
     **at([*POINTS, 710.0, -750.0, 709.0, -745.0]))
edge("sign at 0, inf, NaN", "Sign(X)", "X:i1",
     lambda v: np.where(v.X > 0, 1.0, np.where(v.X < 0, -1.0, 0.0)), **at(POINTS))
edge("step at 0, inf, NaN", "Step(X)", "X:i1", lambda v: step(v.X), **at(POINTS))
edge("relu at 0, inf, NaN", "ReLU(X)", "X:i1", lambda v: np.where(v.X < 0, 0.0, v.X),
     **at(POINTS))
edge("abs at 0, inf, NaN", "Abs(X)", "X:i1", lambda v: np.abs(v.X), **at(POINTS))
edge("ifelse at 0, inf, NaN", "IfElse(X,A,B)", "X:i1 A:p1 B:p1",
     lambda v: np.where(v.X >= 0, v.A, v.B), data={"X": POINTS, "A": [2.5], "B": [-3.5]})
edge("division by 0", "X/Y", "X:i1 Y:i1", lambda v: v.X / v.Y,
     data={"X": [1.0, -1.0, 0.0, 1.0, INF, INF], "Y": [0.0, 0.0, 0.0, -0.0, 0.0, INF]})
edge("comparisons with NaN and -0", "Concat(Concat(Equal(X,Y),NotEqual(X,Y)),"
     "Concat(LessThan(X,Y),LessOrEqual(X,Y)))", "X:i1 Y:i1",
     lambda v: concat(v.X == v.Y, v.X != v.Y, v.X < v.Y, v.X <= v.Y) * 1.0,
     data={"X": [0.0, NAN, 1.0, INF, -INF, 1.0], "Y": [-0.0, NAN, NAN, INF, INF, 1.0]})
edge("pow 0 at 0, inf, NaN", "Pow(X,0)", "X:i1", lambda v: v.X ** 0.0, **at(POINTS))
edge("pow -2 at 0, inf, NaN", "Pow(X,-2)", "X:i1", lambda v: v.X ** -2.0, **at(POINTS))
edge("powf(0,0), powf(-1,1/2) …", "Powf(X,Y)", "X:i1 Y:i1", lambda v: v.X ** v.Y,
     data={"X": [0.0, -1.0, 0.0, 0.0, INF, NAN, 1.0, -2.0],
           "Y": [0.0, 0.5, 2.0, -0.5, 0.0, 0.0, NAN, 3.0]})
edge("normalize at 0", "Normalize(X)", "X:i3", lambda v: rsqrt(total(v.X ** 2)) * v.X,
     **at([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]))

FINITE = [0.0, -0.0, 4.0, -4.0, INF]


def slope(name, formula, reference, points=FINITE, **options):
    """Gradient at special points, with cotangent 1."""
    edge(name, f"Grad({formula},X,E)", "X:i1 E:i1", reference,
         data={"X": points, "E": [1.0] * len(points)}, **options)


slope("sqrt gradient at 0", "Sqrt(X)", lambda v: 0.5 * rsqrt(v.X))
slope("rsqrt gradient at 0", "Rsqrt(X)", lambda v: -0.5 * rsqrt(v.X) ** 3)
slope("abs gradient at 0", "Abs(X)", lambda v: np.sign(v.X))
slope("relu gradient at 0", "ReLU(X)", lambda v: step(v.X))
slope("log gradient at 0", "Log(X)", lambda v: 1 / v.X)
slope("pow 3 gradient at 0", "Pow(X,3)", lambda v: 3 * v.X ** 2)
slope("pow 0 gradient at 0", "X*Pow(X,0)", lambda v: v.X ** 0.0)
edge("powf gradient wrt the base at 0", "Grad(Powf(X,P),X,E)", "X:i1 P:i1 E:i1",
     lambda v: v.P * v.X ** (v.P - 1),
     data={"X": [0.0, 0.0, 0.0, 4.0], "P": [0.5, 2.0, 0.0, 0.5], "E": [1.0] * 4})
edge("powf gradient wrt the exponent at 0", "Grad(Powf(X,P),P,E)", "X:i1 P:i1 E:i1",
     lambda v: np.where((v.X == 0) & (v.P > 0), 0.0, np.log(v.X) * v.X ** v.P),
     data={"X": [0.0, 0.0, 1.0], "P": [2.0, 0.0, 2.0], "E": [1.0] * 3},
     deviation="NaN where the limit is 0: log(0) * 0^p")
SAME = {"X": [[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]], "Y": [[1.0, 1.0, 1.0], [0.5, -1.0, 2.0]]}
edge("norm2 gradient at distance 0", "Grad(Norm2(X-Y),X,E)", "X:i3 Y:j3 E:i1",
     lambda v: rsqrt(sqdist(v.X, v.Y)) * (v.X - v.Y) * v.E, data={**SAME, "E": [1.0, 2.0]})
edge("normalize gradient at distance 0", "Grad(Normalize(X-Y),X,E)", "X:i3 Y:j3 E:i3",
     lambda v: rsqrt(sqdist(v.X, v.Y)) * v.E - rsqrt(sqdist(v.X, v.Y)) ** 3
     * total((v.X - v.Y) * v.E) * (v.X - v.Y),
     data={**SAME, "E": [[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]]})

# Reductions on NaN, infinities and ties.
ROUGH = {"X": [[0.0], [NAN], [INF]], "Y": [[NAN], [2.0], [-1.0], [2.0], [-1.0]]}
NAN_ROW = "an all-NaN row gives the start value, infinity; a value equal to it never wins: index 0"
for word in ("Min", "Max", "ArgMin", "ArgMax"):
    edge(f"{word} with NaN, inf and ties", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
         reduction=word, data=ROUGH, deviation=NAN_ROW)
edge("KMin_ArgKMin with NaN, inf and ties", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
     reduction="KMin_ArgKMin", k=3, data=ROUGH,
     deviation="NaN and +inf never enter: those places hold (inf, index 0)")
edge("KMin_ArgKMin, K larger than N", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
     reduction="KMin_ArgKMin", k=3, data={"X": [0.0, 1.0], "Y": [2.0, -1.0]})
edge("LogSumExp of large, infinite and NaN values", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
     reduction="LogSumExp", data={"X": [1e4, -1e4, -INF, INF, NAN], "Y": [1.0, 2.0, -3.0]},
     deviation="NaN where all values are -inf (the logarithm of an empty sum, -inf) or one is +inf")

# --- elementwise functions at special numbers ----------------------------------------------------
edge("inv at 0, inf, NaN", "Inv(X)", "X:i1", lambda v: 1 / v.X, **at(POINTS))
edge("square and pow 3 at inf, NaN", "Concat(Square(X),Pow(X,3))", "X:i1",
     lambda v: concat(v.X ** 2, v.X ** 3), **at(POINTS))
edge("sin, cos at inf, NaN", "Concat(Sin(X),Cos(X))", "X:i1",
     lambda v: concat(np.sin(v.X), np.cos(v.X)), **at([0.0, 3.5, 1e5, INF, -INF, NAN]))
edge("asin, acos at the ends and outside", "Concat(Asin(X),Acos(X))", "X:i1",
     lambda v: concat(np.arcsin(v.X), np.arccos(v.X)), **at([1.0, -1.0, 0.0, 1.5, -2.0, INF, NAN]))
edge("atan at inf, NaN", "Atan(X)", "X:i1", lambda v: np.arctan(v.X), **at(POINTS))
edge("atan2 in the quadrants, on the axes, at infinities", "Atan2(X,Y)", "X:i1 Y:i1",
     lambda v: np.arctan2(v.X, v.Y), data={
         "X": [1.0, 1.0, -1.0, -1.0, 0.0, 0.0, 1.0, -1.0, 0.0, -0.0, -0.0, 0.0, INF, INF, -INF,
               1.0, 1.0, NAN, 1.0],
         "Y": [2.0, -2.0, -2.0, 2.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0, -0.0, INF, -INF, 1.0,
               INF, -INF, 1.0, NAN]})
edge("xlogx at 0, below 0, inf", "XLogX(X)", "X:i1",
     lambda v: np.where(v.X == 0, 0.0, v.X * np.log(v.X)), **at([*POINTS, 1.0, 1e-300]))
edge("sinxdivx at 0, inf, NaN", "SinXDivX(X)", "X:i1",
     lambda v: np.where(v.X == 0, 1.0, np.sin(v.X) / np.where(v.X == 0, 1.0, v.X)),
     **at([*POINTS, 1e-9, 1e-200]))
edge("round at halves", "Round(X,0)", "X:i1", lambda v: round_half_away(v.X),
     **at([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.25, -0.75, 3.0]))
edge("round at inf, NaN, large numbers", "Round(X,0)", "X:i1", lambda v: v.X,
     **at([INF, -INF, NAN, 4503599627370497.0, -9007199254740992.0]))
edge("round just below a half, float64 alone", "Round(X,0)", "X:i1", lambda v: round_half_away(v.X),
     **at([0.49999999999999994, -0.49999999999999994, 0.5000000000000001]))
edge("round to decimals at halves", "Round(X,1)", "X:i1", lambda v: round_half_away(v.X, 1),
     **at([0.25, -0.25, 0.75, 1.25, 0.125, -3.0]))
edge("floor below 0, at whole numbers, inf, NaN", "Floor(X)", "X:i1", lambda v: np.floor(v.X),
     **at([*POINTS, -0.5, 0.5, -1.5, 2.75, -1e-30]))
edge("mod of negatives, by negatives", "Mod(X,Y,D)", "X:i1 Y:i1 D:i1",
     lambda v: v.D + np.mod(v.X - v.D, v.Y), data={
         "X": [5.0, -5.0, 5.0, -5.0, 6.0, -6.0, 0.0, 5.5, -5.5, 2.0],
         "Y": [3.0, 3.0, -3.0, -3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0],
         "D": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.5, 2.0]})
edge("mod by 0, by inf, of inf and NaN", "Mod(X,Y,D)", "X:i1 Y:i1 D:i1",
     lambda v: v.X - v.Y * np.floor((v.X - v.D) / v.Y), data={
         "X": [1.0, 0.0, INF, NAN, -1.0], "Y": [0.0, 0.0, 2.0, 2.0, INF], "D": [0.0] * 5})
edge("clamp at its ends and NaN", "Clamp(X,A,B)", "X:i1 A:p1 B:p1",
     lambda v: np.where(np.isnan(v.X), NAN, np.clip(v.X, v.A, v.B)),
     data={"X": [-1.0, 2.0, -1.5, 2.5, 0.5, INF, -INF, NAN], "A": [-1.0], "B": [2.0]})
edge("clamp with bounds in the wrong order", "Clamp(X,A,B)", "X:i1 A:p1 B:p1",
     lambda v: np.where(v.X < v.A, v.A, np.where(v.X > v.B, v.B, v.X)),
     data={"X": [-2.0, 0.0, 2.0, 1.0, -1.0], "A": [1.0], "B": [-1.0]})
edge("clamp with NaN bounds", "Clamp(X,A,B)", "X:i1 A:i1 B:i1",
     lambda v: np.where(v.X < v.A, v.A, np.where(v.X > v.B, v.B, v.X)),
     data={"X": [-2.0, 0.5, 2.0], "A": [NAN, NAN, 0.0], "B": [1.0, 1.0, NAN]})
edge("clampint at its ends, inf, NaN", "ClampInt(X,-1,2)", "X:i1",
     lambda v: np.where(np.isnan(v.X), NAN, np.clip(v.X, -1, 2)),
     **at([-1.0, 2.0, -1.5, 2.5, 0.5, INF, -INF, NAN]))
edge("derivative of clampint at its ends, NaN", "DiffClampInt(X,-1,2)", "X:i1",
     lambda v: np.where((v.X < -1) | (v.X > 2), 0.0, 1.0),
     **at([-1.0, 2.0, -1.5, 2.5, 0.5, INF, -INF, NAN]))

# --- vectors with NaN, infinities, ties ----------------------------------------------------------
FIRST = "a NaN in the first place wins, as nothing is less or greater than it"
WITH_NAN = {"X": [[1.0, NAN, 2.0], [NAN, 1.0, 2.0], [INF, -INF, 0.0], [2.0, 2.0, -1.0],
                  [-INF, -INF, -INF]]}
edge("max, argmax of a vector with NaN, inf, ties", "Concat(Max(X),ArgMax(X))", "X:i3",
     lambda v: concat(largest(v.X), where_largest(v.X)), data=WITH_NAN, deviation=FIRST)
edge("min, argmin of a vector with NaN, inf, ties", "Concat(Min(X),ArgMin(X))", "X:i3",
     lambda v: concat(smallest(v.X), where_smallest(v.X)), data=WITH_NAN, deviation=FIRST)
edge("onehot of numbers between -1/2 and 0", "OneHot(X,3)", "X:i1", lambda v: one_hot(v.X, 3),
     **at([-0.25, 0.25, -0.5]))
edge("bspline at its knots and outside", "BSpline(K,X,1)", "K:p5 X:i1",
     lambda v: bspline(v.K, v.X, 1),
     data={"K": [0.0, 1.0, 2.0, 3.0, 4.0], "X": [0.0, 1.0, 2.5, 3.0, 4.0, -1.0, 5.0]},
     dtype="float32")
edge("softdtw of equal sequences", "SoftDTW_SqDist(-X,-Y,G)", "X:i3 Y:j3 G:p1",
     lambda v: softdtw(v.X, v.Y, v.G),
     data={"X": [[1.0, 2.0, 0.5]], "Y": [[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]], "G": [0.5]})
edge("norm2, sqdist at distance 0 and large", "Concat(Norm2(X),SqDist(X,X))", "X:i2",
     lambda v: concat(np.sqrt(total(v.X ** 2)), 0 * v.X[..., :1]),
     data={"X": [[0.0, 0.0], [3.0, 4.0], [3e15, 4e15]]})

# --- gradients at special numbers ----------------------------------------------------------------
slope("asin gradient at the ends", "Asin(X)", lambda v: rsqrt(1 - v.X ** 2), [1.0, -1.0, 0.0])
slope("acos gradient at the ends", "Acos(X)", lambda v: -rsqrt(1 - v.X ** 2), [1.0, -1.0, 0.0])
slope("atan gradient at inf", "Atan(X)", lambda v: 1 / (1 + v.X ** 2))
slope("xlogx gradient at 0", "XLogX(X)", lambda v: np.log(v.X) + 1, [0.0, 1.0, 4.0, INF])
slope("sinxdivx gradient at 0", "SinXDivX(X)",
      lambda v: np.where(v.X == 0, 0.0, (np.cos(v.X) - np.sin(v.X) / v.X) / v.X), [0.0, 1.0, -4.0],
      deviation="NaN where the derivative is 0: cos(x)/x - sin(x)/x^2 at 0")
slope("sinxdivx gradient near 0", "SinXDivX(X)",
      lambda v: np.where(np.abs(v.X) < 1e-3, -v.X / 3 + v.X ** 3 / 30,
                         (np.cos(v.X) - np.sin(v.X) / v.X) / v.X), [1e-9, 1e-5, 0.125],
      deviation="cos(x)/x - sin(x)/x^2 cancels near 0, where the derivative is -x/3")
slope("inv gradient at 0", "Inv(X)", lambda v: -1 / v.X ** 2)
slope("sign gradient at 0", "Sign(X)*X", lambda v: np.sign(v.X), [0.0, 4.0, -4.0])
slope("step gradient at 0", "Step(X)*X", lambda v: step(v.X), [0.0, -0.0, 4.0, -4.0])
slope("round gradient at a half", "Round(X,0)*X", lambda v: round_half_away(v.X), [0.5, 2.5, -0.5])
slope("floor gradient at a whole number", "Floor(X)*X", lambda v: np.floor(v.X), [1.0, -0.5])
slope("clampint gradient at the ends: 1", "ClampInt(X,-1,2)",
      lambda v: np.where((v.X < -1) | (v.X > 2), 0.0, 1.0), [-1.0, 2.0, -1.5, 2.5, 0.5])
slope("mod gradient at a multiple", "Mod(X,IntCst(2),IntCst(0))", lambda v: 1 + 0 * v.X,
      [0.0, 2.0, -2.0, 1.0])
slope("ifelse gradient at 0: the first branch", "IfElse(X,2*X,3*X)",
      lambda v: np.where(v.X >= 0, 2.0, 3.0), [0.0, -0.0, 1.0, -1.0])
edge("clamp gradient wrt x at the ends: 1", "Grad(Clamp(X,A,B),X,E)", "X:i1 A:p1 B:p1 E:i1",
     lambda v: np.where((v.X < v.A) | (v.X > v.B), 0.0, v.E),
     data={"X": [-1.0, 2.0, -1.5, 2.5, 0.5], "A": [-1.0], "B": [2.0], "E": [1.0] * 5})
edge("clamp gradient wrt its bounds at the ends",
     "Concat(Grad(Clamp(X,A,B),A,E),Grad(Clamp(X,A,B),B,E))", "X:i1 A:i1 B:i1 E:i1",
     lambda v: concat((v.X < v.A) * v.E, (v.X > v.B) * v.E),
     data={"X": [-1.0, 2.0, -1.5, 2.5, 0.5], "A": [-1.0] * 5, "B": [2.0] * 5, "E": [1.0] * 5})
edge("clamp gradient where the bounds meet", "Grad(Clamp(X,A,B),X,E)", "X:i1 A:i1 B:i1 E:i1",
     lambda v: (v.X == v.A) * v.E,
     data={"X": [1.0, 0.0, 2.0], "A": [1.0] * 3, "B": [1.0] * 3, "E": [1.0] * 3},
     deviation="(x - a)/(b - a) divides by 0")
edge("atan2 gradient on the axes and at 0", "Concat(Grad(Atan2(X,Y),X,E),Grad(Atan2(X,Y),Y,E))",
     "X:i1 Y:i1 E:i1",
     lambda v: concat(v.Y, -v.X) / np.where(v.X ** 2 + v.Y ** 2 == 0, 1.0, v.X ** 2 + v.Y ** 2),
     data={"X": [1.0, 0.0, -2.0, 0.0, 0.0], "Y": [0.0, 1.0, 0.0, -2.0, 0.0], "E": [1.0] * 5},
     deviation="NaN at the origin, 0/0, where there is no derivative")
edge("max gradient with ties: the first place", "Grad(Max(X),X,E)", "X:i3 E:i1",
     lambda v: one_hot(where_largest(v.X), 3) * v.E,
     data={"X": [[2.0, 2.0, 1.0], [0.0, 3.0, 3.0], [1.0, 1.0, 1.0]], "E": [1.0, 2.0, 3.0]})
edge("min gradient with ties: the first place", "Grad(Min(X),X,E)", "X:i3 E:i1",
     lambda v: one_hot(where_smallest(v.X), 3) * v.E,
     data={"X": [[2.0, 1.0, 1.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]], "E": [1.0, 2.0, 3.0]})
edge("powf gradient wrt both at ordinary numbers",
     "Concat(Grad(Powf(X,Y),X,E),Grad(Powf(X,Y),Y,E))", "X:i1 Y:i1 E:i1",
     lambda v: concat(v.Y * v.X ** (v.Y - 1), np.log(v.X) * v.X ** v.Y),
     data={"X": [1.0, 2.0, 4.0], "Y": [2.0, -1.0, 0.5], "E": [1.0] * 3}, tolerance=1e-6,
     check=1e-6)
edge("second gradient of norm2 at distance 0", "Grad(Grad(Norm2(X-Y),X,E),X,F)",
     "X:i2 Y:j2 E:i1 F:i2",
     lambda v: (v.F * rsqrt(sqdist(v.X, v.Y)) - (v.X - v.Y) * total((v.X - v.Y) * v.F)
                * rsqrt(sqdist(v.X, v.Y)) ** 3) * v.E,
     data={"X": [[0.5, 1.0], [2.0, 1.0]], "Y": [[0.5, 1.0], [-1.0, 0.0]], "E": [1.0, 2.0],
           "F": [[1.0, 0.5], [-1.0, 2.0]]})

# --- reductions ----------------------------------------------------------------------------------
for word in ("Min_ArgMin", "Max_ArgMax"):
    edge(f"{word} with NaN, inf and ties", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
         reduction=word, data=ROUGH, deviation=NAN_ROW)
for word in ("KMin", "ArgKMin"):
    edge(f"{word} with NaN, inf and ties", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
         reduction=word, k=3, data=ROUGH,
         deviation="NaN and +inf never enter: those places hold (inf, index 0)")
edge("LogSumExp with -inf first", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
     reduction="LogSumExp", data={"X": [0.0, 500.0, -500.0], "Y": [-INF, 1.0, -INF, 2.0]},
     deviation="a first value of -inf gives NaN: exp(-inf - -inf)")
edge("LogSumExp with -inf later", "X+Y", "X:i1 Y:j1", lambda v: v.X + v.Y,
     reduction="LogSumExp", data={"X": [0.0, 500.0, -500.0], "Y": [1.0, -INF, 2.0, -INF]})
edge("SumSoftMaxWeight of large values", "X+Y", "X:i1 Y:j1 B:j2", lambda v: v.X + v.Y,
     reduction="SumSoftMaxWeight", weight="B", weight_reference=lambda v: v.B,
     data={"X": [700.0, -700.0, 1e4], "Y": [1.0, -3.0, 2.5], "B": [[1.0, 2.0], [3.0, -1.0],
                                                                   [0.5, 0.0]]})
edge("weighted LogSumExp with negative weights", "X+Y", "X:i1 Y:j1 B:j1", lambda v: v.X + v.Y,
     reduction="LogSumExp", weight="B", weight_reference=lambda v: v.B,
     data={"X": [0.0, 1.0], "Y": [1.0, 0.0, 2.0], "B": [-1.0, -1.0, -1.0]})
