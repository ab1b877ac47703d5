"""Every op of the vectors' real numbers, on ordinary values."""

import numpy as np

from .references import (
    bspline, concat, kron, largest, matvec, norm, one_hot, outer, pad, round_half_away, smallest,
    softdtw, sqdist, step, tensordot, total, vecmat, where_largest, where_smallest,
)
from .table import IFTHEN, XY, XYE, XYP, XYT, op

op("add", "X+Y", XY, lambda v: v.X + v.Y)
op("add broadcasts a scalar", "X+S", "X:i3 S:j1", lambda v: v.X + v.S)
op("subtract by name from a scalar", "Subtract(S,Y)", "S:i1 Y:j3", lambda v: v.S - v.Y)
op("mult by name, scalar parameter", "Mult(G,X-Y)", "X:i3 Y:j3 G:p1", lambda v: v.G * (v.X - v.Y))
op("divide", "X/Y", "X:i3 Y:j3+", lambda v: v.X / v.Y)
op("divide by name, scalar denominator", "Divide(X,S)", "X:i3 S:j1+", lambda v: v.X / v.S, axis=0)
op("divide by an integer", "X/3+Y", XY, lambda v: v.X / 3 + v.Y, tolerance=2e-7,
   deviation="constants p/q are rounded to float32, in float64 formulas too")
op("minus", "-X*Y", XY, lambda v: -v.X * v.Y)
op("inv", "Inv(X+Y)", XYP, lambda v: 1 / (v.X + v.Y))
op("square", "Square(X-Y)", XY, lambda v: (v.X - v.Y) ** 2)
op("pow 3", "Pow(X-Y,3)", XY, lambda v: (v.X - v.Y) ** 3)
op("pow -2", "Pow(X+Y,-2)", XYP, lambda v: (v.X + v.Y) ** -2.0)
op("powf", "Powf(X+Y,P)", "X:i3+ Y:j3+ P:p1+", lambda v: (v.X + v.Y) ** v.P, tolerance=1e-6,
   deviation="powf, the float32 function, computes Powf on the CPU, in float64 formulas too")
op("sqrt", "Sqrt(X+Y)", XYP, lambda v: np.sqrt(v.X + v.Y))
op("rsqrt", "Rsqrt(X+Y)", XYP, lambda v: 1 / np.sqrt(v.X + v.Y))
op("exp", "Exp(X-Y)", XY, lambda v: np.exp(v.X - v.Y))
op("log", "Log(X+Y)", XYP, lambda v: np.log(v.X + v.Y), axis=0)
op("sin", "Sin(X-Y)", XY, lambda v: np.sin(v.X - v.Y))
op("cos", "Cos(X-Y)", XY, lambda v: np.cos(v.X - v.Y))
op("abs", "Abs(X-Y)", XY, lambda v: np.abs(v.X - v.Y))
op("sign", "Sign(X-Y)*Y", XY, lambda v: np.sign(v.X - v.Y) * v.Y)
op("step", "Step(X-Y)*Y", XY, lambda v: step(v.X - v.Y) * v.Y)
op("relu", "ReLU(X-Y)", XY, lambda v: np.maximum(v.X - v.Y, 0))
op("equal", "Equal(X,Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X == v.Y) * v.Z)
op("not equal", "NotEqual(X,Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X != v.Y) * v.Z)
op("less than", "LessThan(X,Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X < v.Y) * v.Z)
op("less or equal", "LessOrEqual(X,Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X <= v.Y) * v.Z)
op("infix comparisons", "(X<Y)*Z+2*(X>=Y)*Z", "X:i3# Y:j3# Z:j3",
   lambda v: np.where(v.X < v.Y, v.Z, 2 * v.Z), axis=0)
op("ifelse", "IfElse(X-Y,A,B)", IFTHEN, lambda v: np.where(v.X - v.Y >= 0, v.A, v.B))
op("ifelse with a scalar condition", "IfElse(S,A,B)", "S:i1 A:j3 B:i3",
   lambda v: np.where(v.S >= 0, v.A, v.B))
op("max of two by ifelse", "IfElse(X-Y,X,Y)", XY, lambda v: np.maximum(v.X, v.Y))
op("min of two by ifelse", "IfElse(Y-X,X,Y)", XY, lambda v: np.minimum(v.X, v.Y), axis=0)
op("sum", "Sum(X*Y+Y)", XY, lambda v: total(v.X * v.Y + v.Y))
op("scalprod", "(X|Y)", XY, lambda v: total(v.X * v.Y))
op("scalprod binds weaker than plus", "X|Y+Z", "X:i3 Y:j3 Z:j3",
   lambda v: total(v.X * (v.Y + v.Z)), axis=0)
op("sqnorm2", "SqNorm2(X+Y)", XY, lambda v: total((v.X + v.Y) ** 2))
op("norm2", "Norm2(X-Y)", XY, lambda v: norm(v.X - v.Y))
op("sqdist", "SqDist(X,Y)", XY, lambda v: sqdist(v.X, v.Y), axis=0)
op("normalize", "Normalize(X-Y)", XY, lambda v: (v.X - v.Y) / norm(v.X - v.Y))
op("concat", "Concat(X,S)", "X:i3 S:j1", lambda v: concat(v.X, v.S))
op("elem", "Elem(X*Y,1)", XY, lambda v: (v.X * v.Y)[..., 1:2])
op("extract", "Extract(X*Y,1,2)", XY, lambda v: (v.X * v.Y)[..., 1:3])
op("elemT", "ElemT(S*T,3,1)", "S:i1 T:j1", lambda v: pad(v.S * v.T, 1, 1))
op("extractT", "ExtractT(X*Y,1,5)", XY, lambda v: pad(v.X * v.Y, 1, 1))
op("sumT", "SumT(S*T,3)", "S:i1 T:j1", lambda v: np.repeat(v.S * v.T, 3, axis=-1))
op("gaussian sum", "Exp(-G*SqDist(X,Y))*B", "X:i3 Y:j3 G:p1+ B:j1",
   lambda v: np.exp(-v.G * sqdist(v.X, v.Y)) * v.B)
op("no j variable: one column", "Exp(X)*G", "X:i3 G:p1+", lambda v: np.exp(v.X) * v.G)
op("no j variable, folded over i", "Exp(X)*G", "X:i3 G:p1+", lambda v: np.exp(v.X) * v.G, axis=0)

# --- constants -----------------------------------------------------------------------------------
ROUNDED = "constants are rounded to float32, in float64 formulas too"
op("integer constant by name", "IntCst(3)*X+Y", XY, lambda v: 3 * v.X + v.Y)
op("negative integer constant", "IntCst(-2)*X+Y", XY, lambda v: -2 * v.X + v.Y)
op("integer constant beyond 2^24", "IntCst(16777217)*X*Y", XY, lambda v: 16777217 * v.X * v.Y,
   tolerance=1e-7, deviation=ROUNDED)
op("reciprocal of an integer", "IntInv(4)*X*Y", XY, lambda v: v.X * v.Y / 4)
op("reciprocal of 3", "IntInv(3)*X*Y", XY, lambda v: v.X * v.Y / 3, tolerance=2e-7,
   deviation=ROUNDED)
op("quotient of constants", "RatCst(3,8)*X*Y", XY, lambda v: v.X * v.Y * 3 / 8)
op("zero plus", "Zero(3)+X*Y", XY, lambda v: v.X * v.Y)
op("zero in a concatenation", "Concat(Zero(2),X*Y)", XY, lambda v: pad(v.X * v.Y, 2, 0))
op("zero times", "X*Zero(1)+Y", XY, lambda v: v.Y + 0 * v.X)
op("zero alone", "Zero(3)", XY, lambda v: 0 * v.X * v.Y)

# --- arithmetic by name --------------------------------------------------------------------------
op("add by name", "Add(X,Y)", XY, lambda v: v.X + v.Y)
op("subtract broadcasts a scalar", "X-S", "X:i3 S:j1", lambda v: v.X - v.S)
op("minus by name", "Minus(X-Y)", XY, lambda v: v.Y - v.X)
op("inv of a scalar times a vector", "Inv(S)*Y", "S:i1+ Y:j3", lambda v: v.Y / v.S)
op("scalprod by name", "Scalprod(X,Y)", XY, lambda v: total(v.X * v.Y))
op("scalprod of a vector and a scalar", "X|S", "X:i3 S:j1", lambda v: total(v.X) * v.S)
op("pow 1", "Pow(X*Y,1)", XY, lambda v: v.X * v.Y)
op("pow 7", "Pow(X-Y,7)", XY, lambda v: (v.X - v.Y) ** 7)
op("powf of a vector by a vector", "Powf(X,Y)", "X:i3+ Y:j3", lambda v: v.X ** v.Y,
   tolerance=1e-6, deviation="powf in float32, as in the other")

# --- elementwise functions -----------------------------------------------------------------------
op("xlogx", "XLogX(X+Y)", XYP, lambda v: (v.X + v.Y) * np.log(v.X + v.Y))
op("sinxdivx", "SinXDivX(X-Y)", XY, lambda v: np.sinc((v.X - v.Y) / np.pi))
op("asin", "Asin(X*Y)", XYT, lambda v: np.arcsin(v.X * v.Y))
op("acos", "Acos(X*Y)", XYT, lambda v: np.arccos(v.X * v.Y))
op("atan", "Atan(3*X-Y)", XY, lambda v: np.arctan(3 * v.X - v.Y))
op("atan2", "Atan2(X,Y)", XY, lambda v: np.arctan2(v.X, v.Y))
op("atan2 broadcasts a scalar", "Atan2(S,Y)", "S:i1 Y:j3", lambda v: np.arctan2(v.S, v.Y))
op("clamp", "Clamp(X-Y,-A,A)", "X:i3 Y:j3 A:j3+", lambda v: np.clip(v.X - v.Y, -v.A, v.A))
op("clamp broadcasts scalar bounds", "Clamp(X-Y,S,T)", "X:i3 Y:j3 S:p1 T:i1+",
   lambda v: np.clip(v.X - v.Y, v.S, v.T), data={"S": [-0.75]})
op("clampint", "ClampInt(2*X-Y,-1,2)", XY, lambda v: np.clip(2 * v.X - v.Y, -1, 2))
op("derivative of clampint", "DiffClampInt(2*X-Y,-1,1)*Y", XY,
   lambda v: (np.abs(2 * v.X - v.Y) <= 1) * v.Y)
op("mod", "Mod(X-Y,P,D)", "X:i3 Y:j3 P:p1 D:p1",
   lambda v: v.D + np.mod(v.X - v.Y - v.D, v.P), data={"P": [0.75], "D": [-0.375]})
op("mod by a vector", "Mod(3*X,Y,Z)", "X:i3 Y:j3+ Z:j3",
   lambda v: v.Z + np.mod(3 * v.X - v.Z, v.Y))
op("mod by constants", "Mod(3*X-Y,IntCst(2),IntCst(-1))", XY,
   lambda v: np.mod(3 * v.X - v.Y + 1, 2) - 1)
op("mod of exact multiples", "Mod(X-Y,IntCst(1),IntCst(0))", XYE, lambda v: np.mod(v.X - v.Y, 1))
op("round to whole numbers", "Round(X-Y,0)", XYE, lambda v: round_half_away(v.X - v.Y))
op("round to two decimals", "Round(X*Y,2)", XYE, lambda v: round_half_away(v.X * v.Y, 2))
op("round to tens", "Round(40*X-Y,-1)", XYE, lambda v: round_half_away(40 * v.X - v.Y, -1),
   check=1e-9)
op("floor", "Floor(X-Y)", XYE, lambda v: np.floor(v.X - v.Y))
op("ifelse broadcasts scalar branches", "IfElse(X-Y,S,T)", "X:i3 Y:j3 S:i1 T:j1",
   lambda v: np.where(v.X - v.Y >= 0, v.S, v.T))

# --- norms ---------------------------------------------------------------------------------------
op("sqnorm2 by three names", "Concat(SqNorm2(X-Y),Concat(SqDist(X,Y),X-Y|X-Y))", XY,
   lambda v: concat(*[sqdist(v.X, v.Y)] * 3))
op("weighted sqnorm, scalar", "WeightedSqNorm(S,X-Y)", "X:i3 Y:j3 S:p1+",
   lambda v: v.S * sqdist(v.X, v.Y))
op("weighted sqnorm, diagonal", "WeightedSqNorm(A,X-Y)", "X:i3 Y:j3 A:j3",
   lambda v: total(v.A * (v.X - v.Y) ** 2))
op("weighted sqnorm, full", "WeightedSqNorm(A,X-Y)", "X:i3 Y:j3 A:p9",
   lambda v: total((v.X - v.Y) * matvec(v.A, v.X - v.Y)))
op("weighted sqdist, scalar", "WeightedSqDist(S,X,Y)", "X:i3 Y:j3 S:j1",
   lambda v: v.S * sqdist(v.X, v.Y))
op("weighted sqdist, diagonal", "WeightedSqDist(A,X,Y)", "X:i3 Y:j3 A:p3+",
   lambda v: total(v.A * (v.X - v.Y) ** 2), axis=0)
op("weighted sqdist, full", "WeightedSqDist(A,X,Y)", "X:i3 Y:j3 A:j9",
   lambda v: total((v.X - v.Y) * matvec(v.A, v.X - v.Y)))
op("symmetric sqnorm", "SymSqNorm(A,X+Y)", "X:i2 Y:j2 A:i4",
   lambda v: total((v.X + v.Y) * matvec(v.A, v.X + v.Y)))
op("isotropic sqnorm", "SqNormIso(S,X+Y)", "X:i3 Y:j3 S:i1",
   lambda v: v.S * total((v.X + v.Y) ** 2))
op("diagonal sqnorm", "SqNormDiag(A,X+Y)", "X:i3 Y:j3 A:p3",
   lambda v: total(v.A * (v.X + v.Y) ** 2))

# --- within a vector -----------------------------------------------------------------------------
op("max of a vector", "Max(X*Y)", XY, lambda v: largest(v.X * v.Y))
op("min of a vector", "Min(X*Y)", XY, lambda v: smallest(v.X * v.Y), axis=0)
op("argmax of a vector", "ArgMax(X*Y)*S", "X:i3 Y:j3 S:j1",
   lambda v: where_largest(v.X * v.Y) * v.S)
op("argmin of a vector", "ArgMin(X*Y)*S", "X:i3 Y:j3 S:j1",
   lambda v: where_smallest(v.X * v.Y) * v.S)
op("argmax and argmin with ties", "Concat(ArgMax(X-Y),ArgMin(X-Y))", "X:i3# Y:j3#",
   lambda v: concat(where_largest(v.X - v.Y), where_smallest(v.X - v.Y)))
op("max and argmin of one number", "Concat(Max(S*T),ArgMin(S*T))", "S:i1 T:j1",
   lambda v: concat(v.S * v.T, 0 * v.S))
op("onehot", "OneHot(S,4)*T", "S:i1 T:j1", lambda v: one_hot(v.S, 4) * v.T,
   data={"S": [0.0, 1.0, 2.0, 3.0, 1.0]})
op("onehot rounds to the nearest", "OneHot(S,3)*T", "S:i1 T:j1", lambda v: one_hot(v.S, 3) * v.T,
   data={"S": [0.4, 0.5, 1.49, 1.5, 2.4]})
op("onehot of argmax", "OneHot(ArgMax(X*Y),3)*Y", XY,
   lambda v: one_hot(where_largest(v.X * v.Y), 3) * v.Y)
op("first elem", "Elem(X*Y,0)", XY, lambda v: (v.X * v.Y)[..., 0:1])
op("extract everything", "Extract(X*Y,0,3)", XY, lambda v: v.X * v.Y)
op("extractT at the front", "ExtractT(X*Y,0,4)", XY, lambda v: pad(v.X * v.Y, 0, 1))
op("concat of three", "Concat(Concat(S,X),Y)", "S:j1 X:i3 Y:j2", lambda v: concat(v.S, v.X, v.Y))
op("sum of one number", "Sum(S*T)", "S:i1 T:j1", lambda v: v.S * v.T)

KNOTS = {"K": [0.0, 0.25, 1.0, 1.5, 2.25, 3.0, 4.0]}
CLAMPED = {"K": [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0], "S": [0.0, 0.5, 1.0, 1.5, 2.0],
           "T": [0.0] * 7}
# float32 alone: KeOps cannot build a spline of float64 (see failures.py)
for order in (0, 1, 2, 3):
    op(f"bspline of order {order}", f"BSpline(K,S*T,{order})", "K:p7 S:i1+ T:j1+",
       lambda v, order=order: bspline(v.K, v.S * v.T, order), data=KNOTS, dtype="float32")
op("bspline with knots per i", "BSpline(K+S,T,2)*S", "K:p7 S:i1+ T:j1",
   lambda v: bspline(v.K + v.S, v.T, 2) * v.S,
   data={**KNOTS, "T": [0.6, 1.1, 1.9, 2.6, 3.3, 4.4, 0.1]}, dtype="float32")
op("bspline with repeated knots", "BSpline(K,S+T,2)", "K:p7 S:i1 T:j1",
   lambda v: bspline(v.K, v.S + v.T, 2), data=CLAMPED, dtype="float32")

# --- matrices and tensors ------------------------------------------------------------------------
op("matvecmult", "MatVecMult(A,Y)", "A:i6 Y:j3", lambda v: matvec(v.A, v.Y))
op("matvecmult by a scalar", "MatVecMult(A,S)", "A:i4 S:j1", lambda v: v.A * v.S)
op("matvecmult of a row", "MatVecMult(X,Y)", XY, lambda v: total(v.X * v.Y))
op("vecmatmult", "VecMatMult(X,A)", "X:i2 A:j6", lambda v: vecmat(v.X, v.A), axis=0)
op("vecmatmult by a scalar", "VecMatMult(S,A)", "S:i1 A:j4", lambda v: v.S * v.A)
op("tensorprod", "TensorProd(X,Y)", "X:i3 Y:j2", lambda v: outer(v.X, v.Y))
op("tensorprod by a scalar", "TensorProd(S,Y)", "S:i1 Y:j3", lambda v: v.S * v.Y)
op("matvecmult of a tensorprod", "MatVecMult(TensorProd(X,Z),Y)", "X:i2 Z:j3 Y:j3",
   lambda v: v.X * total(v.Z * v.Y))
op("matvecmult by zero", "MatVecMult(A,Zero(3))+X", "A:j6 X:i2", lambda v: v.X + 0 * v.A[..., :2])
op("kron of matrices", "Kron(X,Y,[2,2],[1,3])", "X:i4 Y:j3",
   lambda v: kron(v.X, v.Y, [2, 2], [1, 3]))
op("kron of vectors", "Kron(X,Y,[3],[2])", "X:i3 Y:j2", lambda v: kron(v.X, v.Y, [3], [2]))
op("kron of 3-tensors", "Kron(X,Y,[2,1,2],[1,2,2])", "X:i4 Y:j4",
   lambda v: kron(v.X, v.Y, [2, 1, 2], [1, 2, 2]))


def contraction(name, x, y, arguments, *dims_axes_permute):
    op(f"tensordot, {name}", f"TensorDot(X,Y,{arguments})", f"X:i{x} Y:j{y}",
       lambda v: tensordot(v.X, v.Y, *dims_axes_permute))


contraction("scalar product", 3, 3, "[3],[3],[0],[0]", [3], [3], [0], [0])
contraction("outer product", 2, 3, "[2],[3],[],[]", [2], [3], [], [])
contraction("matrices", 6, 6, "[2,3],[3,2],[1],[0]", [2, 3], [3, 2], [1], [0])
contraction("first axes", 6, 4, "[2,3],[2,2],[0],[0]", [2, 3], [2, 2], [0], [0])
contraction("all axes", 4, 4, "[2,2],[2,2],[0,1],[0,1]", [2, 2], [2, 2], [0, 1], [0, 1])
contraction("all axes, crossed", 6, 6, "[2,3],[3,2],[0,1],[1,0]", [2, 3], [3, 2], [0, 1], [1, 0])
contraction("two of three axes", 12, 12, "[2,3,2],[3,2,2],[1,2],[0,1]",
            [2, 3, 2], [3, 2, 2], [1, 2], [0, 1])
contraction("a transposed result", 6, 6, "[2,3],[3,2],[1],[0],[1,0]",
            [2, 3], [3, 2], [1], [0], [1, 0])
contraction("a cyclic permutation", 12, 6, "[2,2,3],[3,2],[2],[0],[2,0,1]",
            [2, 2, 3], [3, 2], [2], [0], [2, 0, 1])
contraction("kron's permutation", 4, 6, "[2,2],[3,2],[],[],[0,2,1,3]",
            [2, 2], [3, 2], [], [], [0, 2, 1, 3])

# --- warping, factorization ----------------------------------------------------------------------
SHADOWED = ("on the CPU the loops over the sequences hide i and j, so that a variable is read from "
            "other rows; formulas (-X) are read right")
op("softdtw", "SoftDTW_SqDist(-X,-Y,G)", "X:i4 Y:j3 G:p1+", lambda v: softdtw(v.X, v.Y, v.G))
op("softdtw with little smoothing", "SoftDTW_SqDist(2*X,2*Y,G)", "X:i3 Y:j5 G:p1",
   lambda v: softdtw(2 * v.X, 2 * v.Y, v.G), data={"G": [0.0625]})
op("softdtw of one number and a sequence", "SoftDTW_SqDist(-S,-Y,G)", "S:i1 Y:j3 G:i1+",
   lambda v: softdtw(v.S, v.Y, v.G))
op("softdtw of a sequence and one number", "SoftDTW_SqDist(-X,-S,Square(G))", "X:i3 S:j1 G:j1+",
   lambda v: softdtw(v.X, v.S, v.G ** 2))
op("softdtw of variables", "SoftDTW_SqDist(X,Y,G)", "X:i4 Y:j3 G:p1+",
   lambda v: softdtw(v.X, v.Y, v.G), deviation=SHADOWED)
op("factorize", "Factorize(Exp(-SqDist(X,Y))*SqDist(X,Y),SqDist(X,Y))", XY,
   lambda v: np.exp(-sqdist(v.X, v.Y)) * sqdist(v.X, v.Y))
op("autofactorize", "AutoFactorize(Exp(-SqDist(X,Y))*SqDist(X,Y))", XY,
   lambda v: np.exp(-sqdist(v.X, v.Y)) * sqdist(v.X, v.Y))

# --- in float32 ----------------------------------------------------------------------------------
SINGLES = {"dtype": "float32"}
op("float32: exp and log", "Exp(X-Y)*Log(Square(X)+1)", XY,
   lambda v: np.exp(v.X - v.Y) * np.log(v.X ** 2 + 1), **SINGLES)
op("float32: powf", "Powf(X+Y,P)", "X:i3+ Y:j3+ P:p1+", lambda v: (v.X + v.Y) ** v.P, **SINGLES)
op("float32: divide by an integer", "X/3+Y", XY, lambda v: v.X / 3 + v.Y, **SINGLES)
op("float32: sin, cos, atan2", "Sin(X-Y)+Cos(X*Y)*Atan2(X,Y)", XY,
   lambda v: np.sin(v.X - v.Y) + np.cos(v.X * v.Y) * np.arctan2(v.X, v.Y), **SINGLES)
op("float32: gaussian sum", "Exp(-G*SqDist(X,Y))*B", "X:i3 Y:j3 G:p1+ B:j2",
   lambda v: np.exp(-v.G * sqdist(v.X, v.Y)) * v.B, **SINGLES)
op("float32: mod, round, floor", "Mod(X-Y,IntCst(2),IntCst(0))+Round(X-Y,0)*Floor(Y)", XYE,
   lambda v: np.mod(v.X - v.Y, 2) + round_half_away(v.X - v.Y) * np.floor(v.Y), **SINGLES)
op("float32: tensordot", "TensorDot(X,Y,[2,3],[3,2],[1],[0])", "X:i6 Y:j6",
   lambda v: tensordot(v.X, v.Y, [2, 3], [3, 2], [1], [0]), **SINGLES)
op("float32: rsqrt and normalize", "Normalize(X-Y)*Rsqrt(1+SqDist(X,Y))", XY,
   lambda v: (v.X - v.Y) / norm(v.X - v.Y) / np.sqrt(1 + sqdist(v.X, v.Y)), **SINGLES)
