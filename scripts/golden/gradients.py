"""Gradients of every differentiable op, by Grad(formula, variable, cotangent)."""

import numpy as np

from .references import (
    concat, gradient, kron, largest, matvec, norm, outer, pad, rsqrt, smallest, softdtw,
    sqdist, tensordot, total, vecmat,
)
from .table import IFTHEN, XY, XYP, XYT, grad

GAUSS, GAUSSV = "Exp(-G*SqDist(X,Y))*B", "X:i3 Y:j3 G:p1+ B:j1"


def gauss(v):
    return np.exp(-v.G * sqdist(v.X, v.Y)) * v.B


grad("gaussian wrt x", f"Grad({GAUSS},X,E)", f"{GAUSSV} E:i1", gradient(gauss, "X"))
grad("gaussian wrt y", f"Grad({GAUSS},Y,E)", f"{GAUSSV} E:i1", gradient(gauss, "Y"), axis=0)
grad("gaussian wrt b", f"Grad({GAUSS},B,E)", f"{GAUSSV} E:i1", gradient(gauss, "B"), axis=0)
grad("gaussian wrt the parameter, rows", f"Grad({GAUSS},G,E)", f"{GAUSSV} E:i1",
     gradient(gauss, "G"))
grad("gaussian wrt x, then x", f"Grad(Grad({GAUSS},X,E),X,F)", f"{GAUSSV} E:i1 F:i3",
     gradient(gradient(gauss, "X"), "X", "F"), check=1e-7)
grad("gaussian wrt x, then y", f"Grad(Grad({GAUSS},X,E),Y,F)", f"{GAUSSV} E:i1 F:i3",
     gradient(gradient(gauss, "X"), "Y", "F"), axis=0, check=1e-7)
grad("gaussian wrt x, then the cotangent", f"Grad(Grad({GAUSS},X,E),E,F)", f"{GAUSSV} E:i1 F:i3",
     gradient(gradient(gauss, "X"), "E", "F"))
grad("cauchy wrt x", "Grad(B/(1+SqDist(X,Y)),X,E)", "X:i3 Y:j3 B:j3 E:i3",
     gradient(lambda v: v.B / (1 + sqdist(v.X, v.Y)), "X"))
grad("energy distance wrt x", "Grad(Norm2(X-Y)*B,X,E)", "X:i3 Y:j3 B:j1 E:i1",
     gradient(lambda v: norm(v.X - v.Y) * v.B, "X"))
grad("rsqrt", "Grad(Rsqrt(X+Y),X,E)", f"{XYP} E:i3", gradient(lambda v: rsqrt(v.X + v.Y), "X"))
grad("sqrt", "Grad(Sqrt(X+Y),X,E)", f"{XYP} E:i3", gradient(lambda v: np.sqrt(v.X + v.Y), "X"))
grad("log", "Grad(Log(X+Y),Y,E)", f"{XYP} E:i3", gradient(lambda v: np.log(v.X + v.Y), "Y"), axis=0)
grad("sin", "Grad(Sin(X-Y),X,E)", f"{XY} E:i3", gradient(lambda v: np.sin(v.X - v.Y), "X"))
grad("abs", "Grad(Abs(X-Y),X,E)", f"{XY} E:i3", gradient(lambda v: np.abs(v.X - v.Y), "X"))
grad("relu", "Grad(ReLU(X-Y),Y,E)", f"{XY} E:i3",
     gradient(lambda v: np.maximum(v.X - v.Y, 0), "Y"), axis=0)
grad("pow 3", "Grad(Pow(X-Y,3),X,E)", f"{XY} E:i3", gradient(lambda v: (v.X - v.Y) ** 3, "X"))
grad("powf wrt the base", "Grad(Powf(X+Y,P),X,E)", "X:i3+ Y:j3+ P:p1+ E:i3",
     gradient(lambda v: (v.X + v.Y) ** v.P, "X"), tolerance=1e-6,
     deviation="powf in float32, as in the op")
grad("powf wrt the exponent", "Grad(Powf(X+Y,P),P,E)", "X:i3+ Y:j3+ P:p3+ E:i3",
     gradient(lambda v: (v.X + v.Y) ** v.P, "P"), tolerance=1e-6,
     deviation="powf in float32, as in the op")
grad("divide wrt the denominator", "Grad(X/Y,Y,E)", "X:i3 Y:j3+ E:i3",
     gradient(lambda v: v.X / v.Y, "Y"), axis=0)
grad("divide wrt a scalar denominator", "Grad(X/S,S,E)", "X:i3 S:j1+ E:i3",
     gradient(lambda v: v.X / v.S, "S"), axis=0)
grad("divide wrt a scalar numerator", "Grad(S/Y,S,E)", "S:i1 Y:j3+ E:i3",
     gradient(lambda v: v.S / v.Y, "S"))
grad("mult wrt a broadcast scalar", "Grad(S*Y,S,E)", "S:i1 Y:j3 E:i3",
     gradient(lambda v: v.S * v.Y, "S"))
grad("scalprod", "Grad((X|Y)**2,X,E)", f"{XY} E:i1",
     gradient(lambda v: total(v.X * v.Y) ** 2, "X"))
grad("ifelse wrt a branch", "Grad(IfElse(X-Y,A*A,B*A),A,E)", f"{IFTHEN} E:i3",
     gradient(lambda v: np.where(v.X - v.Y >= 0, v.A ** 2, v.B * v.A), "A"), axis=0)
grad("ifelse wrt the condition", "Grad(IfElse(X-Y,Sin(X),X*Y),X,E)", f"{XY} E:i3",
     gradient(lambda v: np.where(v.X - v.Y >= 0, np.sin(v.X), v.X * v.Y), "X"))
grad("normalize", "Grad(Normalize(X-Y),X,E)", f"{XY} E:i3",
     gradient(lambda v: (v.X - v.Y) / norm(v.X - v.Y), "X"))
grad("concat, elem and extract", "Grad(Concat(Extract(X*X,1,2),Elem(X*Y,0)),X,E)", f"{XY} E:i3",
     gradient(lambda v: concat((v.X ** 2)[..., 1:3], (v.X * v.Y)[..., 0:1]), "X"))

grad("step: zero", "Grad(Step(X-Y),X,E)", f"{XY} E:i3", lambda v: 0 * (v.X - v.Y))
grad("a variable: the cotangent", "Grad(X,X,E)", f"{XY} E:i3", lambda v: v.E + 0 * v.Y)

# --- one op, one variable ------------------------------------------------------------------------


def of(name, formula, variables, reference, wrt, cotangent="i3", h=1e-3, **options):
    """Gradients wrt each variable of `wrt`, folded over the other index; the name says which.

    A small step h keeps the differences of a function in pieces within one piece.
    """
    domain = {token.split(":")[0]: token.split(":")[1][0] for token in variables.split()}
    for one in wrt:
        grad(f"{name} wrt {one}", f"Grad({formula},{one},E)", f"{variables} E:{cotangent}",
             gradient(reference, one, h=h), **{"axis": 0 if domain[one] == "j" else 1, **options})


of("add", "X+Y", XY, lambda v: v.X + v.Y, "XY")
of("add of a scalar", "S+Y", "S:i1 Y:j3", lambda v: v.S + v.Y, "S")
of("subtract", "X-Y", XY, lambda v: v.X - v.Y, "Y")
of("subtract of a scalar", "X-S", "X:i3 S:j1", lambda v: v.X - v.S, "S")
of("minus", "-(X*X)", XY, lambda v: -v.X ** 2 + 0 * v.Y, "X")
of("mult", "X*Y", XY, lambda v: v.X * v.Y, "XY")
of("mult by a scalar exponential", "X*Exp(S)", "X:i3 S:j1", lambda v: v.X * np.exp(v.S), "XS")
of("divide", "X/Y", "X:i3 Y:j3+", lambda v: v.X / v.Y, "X")
of("divide by an integer", "X/8*Y", XY, lambda v: v.X / 8 * v.Y, "X")
of("inv", "Inv(X+Y)", XYP, lambda v: 1 / (v.X + v.Y), "X")
of("square", "Square(X-Y)", XY, lambda v: (v.X - v.Y) ** 2, "X")
of("pow -2", "Pow(X+Y,-2)", XYP, lambda v: (v.X + v.Y) ** -2.0, "X")
of("exp", "Exp(X-Y)", XY, lambda v: np.exp(v.X - v.Y), "Y")
of("cos", "Cos(X-Y)", XY, lambda v: np.cos(v.X - v.Y), "X")
of("xlogx", "XLogX(X+Y)", XYP, lambda v: (v.X + v.Y) * np.log(v.X + v.Y), "X")
of("sinxdivx", "SinXDivX(X-Y)", XY, lambda v: np.sinc((v.X - v.Y) / np.pi), "X")
of("asin", "Asin(X*Y)", XYT, lambda v: np.arcsin(v.X * v.Y), "X")
of("acos", "Acos(X*Y)", XYT, lambda v: np.arccos(v.X * v.Y), "X")
of("atan", "Atan(3*X-Y)", XY, lambda v: np.arctan(3 * v.X - v.Y), "X")
of("atan2", "Atan2(X,Y)", XY, lambda v: np.arctan2(v.X, v.Y), "XY")
of("clamp", "Clamp(X-Y,-A,A)", "X:i3 Y:j3 A:j3+",
   lambda v: np.clip(v.X - v.Y, -v.A, v.A), "XA", h=1e-6)
of("clamp by a scalar", "Clamp(X-Y,S,T)", "X:i3 Y:j3 S:i1 T:i1+",
   lambda v: np.clip(v.X - v.Y, v.S, v.T), "S", h=1e-6,
   data={"S": [-0.75, -1.1, -0.4, -0.9, -0.6]})
of("clampint", "ClampInt(2*X-Y,-1,2)", XY, lambda v: np.clip(2 * v.X - v.Y, -1, 2), "X", h=1e-6)
of("mod", "Mod(X-Y,Z,D)", "X:i3 Y:j3 Z:j3+ D:i3", lambda v: v.D + np.mod(v.X - v.Y - v.D, v.Z),
   "XZD", h=1e-6)
grad("round: zero", "Grad(Round(X-Y,1),X,E)", f"{XY} E:i3", lambda v: 0 * (v.X - v.Y))
grad("floor: zero", "Grad(Floor(X-Y),X,E)", f"{XY} E:i3", lambda v: 0 * (v.X - v.Y))
grad("sign: zero", "Grad(Sign(X-Y)*X,X,E)", f"{XY} E:i3", lambda v: np.sign(v.X - v.Y) * v.E)
grad("comparisons: zero", "Grad(((X<Y)+(X<=Y)+Equal(X,Y)+NotEqual(X,Y))*X,X,E)", f"{XY} E:i3",
     lambda v: (2.0 * (v.X < v.Y) + 1) * v.E)
grad("derivative of clampint: zero", "Grad(DiffClampInt(X-Y,-1,1)*X,X,E)", f"{XY} E:i3",
     lambda v: (np.abs(v.X - v.Y) <= 1) * v.E)
of("sum", "Sum(X*Y*Y)", XY, lambda v: total(v.X * v.Y ** 2), "X", cotangent="i1")
of("sumT", "SumT(S*T,3)", "S:i1 T:j1", lambda v: np.repeat(v.S * v.T, 3, axis=-1), "S")
of("elemT", "ElemT(S*T,3,1)", "S:i1 T:j1", lambda v: pad(v.S * v.T, 1, 1), "S")
of("extractT", "ExtractT(X*Y,1,5)", XY, lambda v: pad(v.X * v.Y, 1, 1), "X", cotangent="i5")
of("norm2", "Norm2(X-Y)", XY, lambda v: norm(v.X - v.Y), "Y", cotangent="j1")
of("sqdist", "SqDist(X,Y)", XY, lambda v: sqdist(v.X, v.Y), "Y", cotangent="i1")
of("sqnorm2", "SqNorm2(X+Y)", XY, lambda v: total((v.X + v.Y) ** 2), "X", cotangent="j1")
of("scalprod with a scalar", "X|S", "X:i3 S:j1", lambda v: total(v.X) * v.S, "XS", cotangent="i1")
of("weighted sqnorm, scalar", "WeightedSqNorm(S,X-Y)", "X:i3 Y:j3 S:i1+",
   lambda v: v.S * sqdist(v.X, v.Y), "SX", cotangent="i1")
of("weighted sqdist, diagonal", "WeightedSqDist(A,X,Y)", "X:i3 Y:j3 A:j3",
   lambda v: total(v.A * (v.X - v.Y) ** 2), "AX", cotangent="i1")
of("weighted sqnorm, full", "WeightedSqNorm(A,X-Y)", "X:i3 Y:j3 A:i9",
   lambda v: total((v.X - v.Y) * matvec(v.A, v.X - v.Y)), "AY", cotangent="i1")
of("max of a vector", "Max(X*Y)", XY, lambda v: largest(v.X * v.Y), "X", cotangent="i1")
of("min of a vector", "Min(X*Y)", XY, lambda v: smallest(v.X * v.Y), "Y", cotangent="i1")
grad("argmax of a vector: zero", "Grad(ArgMax(X*Y)*X,X,E)", f"{XY} E:i3",
     lambda v: np.argmax(v.X * v.Y, axis=-1)[..., None] * v.E)
grad("onehot: zero", "Grad(OneHot(ArgMin(X*Y),3)*X,X,E)", f"{XY} E:i3",
     lambda v: (np.arange(3) == np.argmin(v.X * v.Y, axis=-1)[..., None]) * v.E)
of("matvecmult", "MatVecMult(A,Y)", "A:i6 Y:j3", lambda v: matvec(v.A, v.Y), "AY", cotangent="i2")
of("vecmatmult", "VecMatMult(X,A)", "X:i2 A:j6", lambda v: vecmat(v.X, v.A), "XA", cotangent="i3")
of("tensorprod", "TensorProd(X,Y)", "X:i3 Y:j2", lambda v: outer(v.X, v.Y), "XY", cotangent="i6")
of("kron of matrices", "Kron(X,Y,[2,2],[1,3])", "X:i4 Y:j3",
   lambda v: kron(v.X, v.Y, [2, 2], [1, 3]), "XY", cotangent="i12")


def contraction(name, x, y, out, arguments, *dims_axes_permute, wrt="XY", **options):
    of(f"tensordot, {name}", f"TensorDot(X,Y,{arguments})", f"X:i{x} Y:j{y}",
       lambda v: tensordot(v.X, v.Y, *dims_axes_permute), wrt, cotangent=f"i{out}", **options)


contraction("matrices", 6, 6, 4, "[2,3],[3,2],[1],[0]", [2, 3], [3, 2], [1], [0])
contraction("outer product", 2, 3, 6, "[2],[3],[],[]", [2], [3], [], [])
contraction("two of three axes", 12, 12, 4, "[2,3,2],[3,2,2],[1,2],[0,1]",
            [2, 3, 2], [3, 2, 2], [1, 2], [0, 1])
contraction("all axes, crossed", 6, 6, 1, "[2,3],[3,2],[0,1],[1,0]",
            [2, 3], [3, 2], [0, 1], [1, 0])
contraction("a transposed result", 6, 6, 4, "[2,3],[3,2],[1],[0],[1,0]",
            [2, 3], [3, 2], [1], [0], [1, 0])
contraction("a cyclic permutation", 12, 6, 8, "[2,2,3],[3,2],[2],[0],[2,0,1]",
            [2, 2, 3], [3, 2], [2], [0], [2, 0, 1])
of("softdtw", "SoftDTW_SqDist(-X,-Y,G)", "X:i4 Y:j3 G:p1+",
   lambda v: softdtw(v.X, v.Y, v.G), "XY", cotangent="i1")
of("softdtw of variables", "SoftDTW_SqDist(X,Y,G)", "X:i4 Y:j3 G:p1+",
   lambda v: softdtw(v.X, v.Y, v.G), "X", cotangent="i1",
   deviation="the loops hide i and j, as in the op")

# --- through broadcast and mixed arguments -------------------------------------------------------
of("ifelse, scalar condition", "IfElse(S,A*A,A*B)", "S:i1 A:j3 B:i3",
   lambda v: np.where(v.S >= 0, v.A ** 2, v.A * v.B), "A")
MIXED = "the condition is laid over the gradient, whose entries are not those of the branch"
of("ifelse, a branch that mixes entries", "IfElse(X-Y,MatVecMult(A,X),X)", f"{XY} A:p9",
   lambda v: np.where(v.X - v.Y >= 0, matvec(v.A, v.X), v.X), "X", deviation=MIXED)

of("clamp of a scalar by vectors", "Clamp(S,-A,A)", "S:i1 A:j3+",
   lambda v: np.clip(v.S, -v.A, v.A), "SA", h=1e-6)
of("mod of a scalar by a vector", "Mod(S,A,T)", "S:i1 A:j3+ T:i1",
   lambda v: v.T + np.mod(v.S - v.T, v.A), "SA", h=1e-6)
of("factorize", "Factorize(Exp(-SqDist(X,Y))*SqDist(X,Y),SqDist(X,Y))", XY,
   lambda v: np.exp(-sqdist(v.X, v.Y)) * sqdist(v.X, v.Y), "X", cotangent="i1")
grad("with a zero for cotangent", "Grad(X*Y,X,Zero(3))", XY, lambda v: 0 * v.X * v.Y)

# --- twice ---------------------------------------------------------------------------------------


def twice(name, formula, variables, reference, first, second, e="i3", f="i3", **options):
    """Grad of Grad: wrt `first` with cotangent E, then wrt `second` with cotangent F."""
    grad(f"{name} wrt {first}, then {second}", f"Grad(Grad({formula},{first},E),{second},F)",
         f"{variables} E:{e} F:{f}", gradient(gradient(reference, first), second, "F"),
         **{"check": 1e-7, **options})


twice("norm2", "Norm2(X-Y)", XY, lambda v: norm(v.X - v.Y), "X", "X", e="i1")
twice("normalize", "Normalize(X-Y)", XY, lambda v: (v.X - v.Y) / norm(v.X - v.Y), "X", "Y", axis=0)
twice("atan2", "Atan2(X,Y)", "X:i3 Y:j3+", lambda v: np.arctan2(v.X, v.Y), "X", "Y", axis=0)
twice("divide", "X/Y", "X:i3 Y:j3+", lambda v: v.X / v.Y, "Y", "Y", axis=0)
twice("asin", "Asin(X*Y)", XYT, lambda v: np.arcsin(v.X * v.Y), "X", "X")
twice("xlogx", "XLogX(X+Y)", XYP, lambda v: (v.X + v.Y) * np.log(v.X + v.Y), "X", "X")
twice("weighted sqnorm, full", "WeightedSqNorm(A,X-Y)", "X:i3 Y:j3 A:i9",
      lambda v: total((v.X - v.Y) * matvec(v.A, v.X - v.Y)), "X", "A", e="i1", f="i3")
twice("tensordot, matrices", "Square(TensorDot(X,Y,[2,3],[3,2],[1],[0]))", "X:i6 Y:j6",
      lambda v: tensordot(v.X, v.Y, [2, 3], [3, 2], [1], [0]) ** 2, "X", "Y", e="i4", f="i6",
      axis=0)
twice("max of a vector", "Max(X*X*Y)", XY, lambda v: largest(v.X ** 2 * v.Y), "X", "X", e="i1")
grad("gaussian three times wrt x", "Grad(Grad(Grad(Exp(-SqDist(X,Y)),X,E),X,F),X,H)",
     f"{XY} E:i1 F:i3 H:i3",
     gradient(gradient(gradient(lambda v: np.exp(-sqdist(v.X, v.Y)), "X", "E", 5e-3), "X", "F",
                       5e-3), "X", "H", 5e-3), check=1e-5)
grad("float32: gaussian wrt x", f"Grad({GAUSS},X,E)", f"{GAUSSV} E:i1", gradient(gauss, "X"),
     dtype="float32", check=2e-6)

# --- without a cotangent: one more variable, of the other index, at the next position ------------
grad("the cotangent left out", "Grad(Exp(-SqDist(X,Y))*B,X)", "X:i3 Y:j3 B:j1 E:j1",
     gradient(lambda v: np.exp(-sqdist(v.X, v.Y)) * v.B, "X"))
grad("the cotangent left out, wrt y", "Grad(Sin(X*Y),Y)", "X:i3 Y:j3 E:i3",
     gradient(lambda v: np.sin(v.X * v.Y), "Y"), axis=0)
