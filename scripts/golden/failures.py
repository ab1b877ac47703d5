"""What KeOps 2.3 cannot build, or builds and gets wrong: natural formulas.

Each entry: name, formula, variables and, where KeOps may answer, the pairwise reference that shows
the answer to be wrong and says what is right. UNRUN names what must not be tried, with the reason.
"""

from types import SimpleNamespace

import numpy as np

from .ops import KNOTS
from .references import (
    bspline, bspline_slope, cplx, differential, divergence, gradient, interleave, matvec, outer,
    softdtw, tensordot, total, vecmat,
)
from .table import XY, XYP

FAILURES = []


def failure(name, formula, variables, reference=None, reduction="Sum", axis=1, k=None, weight=None,
            weight_reference=None, aliases=None, data=None, dtype="float64", check=1e-8):
    FAILURES.append(SimpleNamespace(group="failure", **locals()))


XYZ = "X:i3 Y:j3 Z:j3"

# --- infix forms and numbers ---------------------------------------------------------------------
failure("infix ==", "(X==Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X == v.Y) * v.Z)
failure("infix !=", "(X!=Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X != v.Y) * v.Z)
failure("chained comparison", "(X<Y<Z)*Y", "X:i3# Y:j3# Z:j3")
failure("decimal number", "0.5*X+Y", XY, lambda v: 0.5 * v.X + v.Y)
failure("a quotient of integers", "(1/2)*X+Y", XY, lambda v: v.X / 2 + v.Y)
failure("an integer plus a reciprocal", "(IntInv(2)+1)*X+Y", XY, lambda v: 1.5 * v.X + v.Y)
failure("infix power 1/2", "(X+Y)**0.5", XYP, lambda v: np.sqrt(v.X + v.Y))
failure("infix power of a variable", "(X+Y)**P", "X:i3+ Y:j3+ P:p1+",
        lambda v: (v.X + v.Y) ** v.P)
failure("power of an integer", "2**X", XY)
failure("powf with a number", "Powf(X+Y,2)", XYP, lambda v: (v.X + v.Y) ** 2)
failure("infix matrix product", "A@X", "A:p6 X:i3")
failure("indexing", "X[1]*Y", XY)
failure("scalprod with a number", "X*Y|2", XY)
failure("scalprod of different dims", "X|S", "X:i3 S:j2")
failure("sum of different dims", "X+S", "X:i3 S:j2")
failure("max of two", "Max(X,Y)", XY)
failure("min of two", "Min(X,Y)", XY)
failure("concat of three", "Concat(X,Y,Z)", XYZ)
failure("mod without an offset", "Mod(X,P)", "X:i3 P:p1+")
failure("mod by a number", "Mod(X,2,0)", "X:i3", lambda v: np.mod(v.X, 2))
failure("clamp by numbers", "Clamp(X,0,1)", "X:i3", lambda v: np.clip(v.X, 0, 1))
failure("round without decimals", "Round(X)", "X:i3")
failure("an unknown name", "Tanh(X*Y)", XY)
failure("complexscal", "ComplexScal(C,Z)", "C:i2 Z:j6",
        lambda v: interleave(cplx(v.C) * cplx(v.Z)))
failure("index lists by Ind", "TensorDot(X,Y,Ind(2,3),Ind(3,2),Ind(1),Ind(0))", "X:i6 Y:j6",
        lambda v: tensordot(v.X, v.Y, [2, 3], [3, 2], [1], [0]))
failure("Vi in a formula", "Vi(0,3)*Y", XY, lambda v: v.X * v.Y)
failure("elem out of range", "Elem(X,3)", "X:i3")
failure("extract out of range", "Extract(X,2,2)", "X:i3")
failure("an alias twice", "X*2", XY, aliases=["X=Vi(0,3)", "X=Vj(1,3)"])
failure("a position twice, with two dims", "X+Y", "X:i3", aliases=["X=Vi(0,3)", "Y=Vi(0,1)"])
failure("aliases of variables", "X*Y", XY, lambda v: v.X * v.Y,
        aliases=["X=Var(0,3,0)", "Y=Var(1,3,1)"])
failure("the older names Vx, Vy", "X*Y", XY, lambda v: v.X * v.Y,
        aliases=["X=Vx(0,3)", "Y=Vy(1,3)"])

# --- ops -----------------------------------------------------------------------------------------
failure("symmetric sqnorm of a wrong dim", "WeightedSqNorm(A,X)", "X:i3 A:p6")
failure("complexreal of an odd dim", "ComplexReal(X)", "X:i3")
failure("bspline in float64", "BSpline(K,S*T,2)", "K:p7 S:i1+ T:j1+",
        lambda v: bspline(v.K, v.S * v.T, 2), data=KNOTS)
failure("bspline in float64, of order 3", "BSpline(K,S*T,3)", "K:p7 S:i1+ T:j1+",
        lambda v: bspline(v.K, v.S * v.T, 3), data=KNOTS)

# --- gradients -----------------------------------------------------------------------------------
failure("gradient of ifelse wrt a broadcast branch", "Grad(IfElse(X-Y,S,Y),S,E)",
        "X:i3 Y:j3 S:j1 E:i3", gradient(lambda v: np.where(v.X - v.Y >= 0, v.S, v.Y), "S"))
failure("gradient of powf wrt a broadcast exponent", "Grad(Powf(X+Y,P),P,E)",
        "X:i3+ Y:j3+ P:i1+ E:i3", gradient(lambda v: (v.X + v.Y) ** v.P, "P"))
failure("gradient of atan2 wrt a broadcast argument", "Grad(Atan2(S,Y),S,E)", "S:i1 Y:j3 E:i3",
        gradient(lambda v: np.arctan2(v.S, v.Y), "S"))
for order in (1, 2, 3):
    failure(f"gradient of bspline of order {order}", f"Grad(BSpline(K,S*T,{order}),S,E)",
            f"K:p7 S:i1+ T:j1+ E:i{6 - order}",
            lambda v, order=order: total(v.E * bspline_slope(v.K, v.S * v.T, order)) * v.T,
            data=KNOTS, dtype="float32")
failure("gradient of softdtw wrt gamma", "Grad(SoftDTW_SqDist(-X,-Y,G),G,E)",
        "X:i3 Y:j3 G:p1+ E:i1", gradient(lambda v: softdtw(v.X, v.Y, v.G), "G"))
failure("second gradient of softdtw", "Grad(Grad(SoftDTW_SqDist(-X,-Y,G),X,E),X,F)",
        "X:i3 Y:j3 G:p1+ E:i1 F:i3",
        gradient(gradient(lambda v: softdtw(v.X, v.Y, v.G), "X"), "X", "F"), check=1e-6)
failure("gradient wrt a formula", "Grad(Exp(X-Y),X-Y,E)", f"{XY} E:i3")
failure("gradient of complexmult wrt a real variable", "Grad(ComplexMult(Real2Complex(X),W),X,E)",
        "X:i3 W:j6 E:i6", gradient(lambda v: interleave(v.X * cplx(v.W)), "X"))
failure("gradient of complexrealscal wrt the scalar", "Grad(ComplexRealScal(S,Z),S,E)",
        "S:i1 Z:j6 E:i6", gradient(lambda v: v.S * v.Z, "S"))
failure("gradient of complexsquareabs of a real variable",
        "Grad(ComplexSquareAbs(Real2Complex(X)),X,E)", "X:i3 Y:j3 E:i3",
        gradient(lambda v: v.X ** 2 + 0 * v.Y, "X"))
# --- Diff and its like ---------------------------------------------------------------------------
failure("diff of matvecmult", "Diff(MatVecMult(A,X),X,U)", "A:j6 X:i3 U:i3",
        differential(lambda v: matvec(v.A, v.X), "X"))
failure("diff of ifelse", "Diff(IfElse(X-Y,X*X,Y),X,U)", f"{XY} U:i3",
        differential(lambda v: np.where(v.X - v.Y >= 0, v.X ** 2, v.Y), "X"))
failure("diff of tensorprod", "Diff(TensorProd(X,Y),X,U)", f"{XY} U:i3",
        lambda v: outer(v.U, v.Y))
failure("diff of complexmult", "Diff(ComplexMult(Z,W),Z,U)", "Z:i6 W:j6 U:i6",
        differential(lambda v: interleave(cplx(v.Z) * cplx(v.W)), "Z"))
failure("divergence of a matrix times v", "Divergence(MatVecMult(A,X),X)", "X:i3 A:j9",
        divergence(lambda v: matvec(v.A, v.X), "X"))
failure("divergence of a constant field", "Divergence(Y,X)", XY,
        lambda v: 0 * v.X[..., :1] * v.Y[..., :1])
failure("laplacian of a linear function", "Laplacian((X|Y),X)", XY,
        lambda v: 0 * v.X[..., :1] * v.Y[..., :1])
failure("trace of a formula that is not linear", "TraceOperator(X*X*Y,X)", XY)
failure("adjoint of matvecmult", "AdjointOperator(MatVecMult(A,X),X,E)", "X:i3 A:j9 E:i3",
        lambda v: vecmat(v.E, v.A))

# --- reductions ----------------------------------------------------------------------------------
failure("LogSumExp of a vector", "X*Y", XY, lambda v: v.X * v.Y, reduction="LogSumExp")
failure("reduction MinArgMin", "X*Y", XY, lambda v: v.X * v.Y, reduction="MinArgMin")
failure("reduction KMinArgKMin", "X*Y", XY, lambda v: v.X * v.Y, reduction="KMinArgKMin", k=2)
failure("reduction KMin without K", "X*Y", XY, reduction="KMin")
failure("weighted LogSumExp without a weight", "X|Y", XY, reduction="LogSumExpWeight")
failure("SumSoftMaxWeight without a weight", "X|Y", XY, reduction="SumSoftMaxWeight")
failure("an unknown reduction", "X*Y", XY, reduction="Mean")

UNRUN = [
    ("onehot out of range", "OneHot(X,3)", "writes outside its vector for X >= 2.5 or X <= -1.5"),
    ("elem below 0", "Elem(X,-1)", "reads before its vector"),
]
