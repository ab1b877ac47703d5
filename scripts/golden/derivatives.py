"""Derivatives beyond Grad: Diff, GradMatrix, Divergence, Laplacian, and the linear operators."""

import numpy as np

from .references import (
    concat, differential, divergence, gradient, jacobian, laplacian, norm, outer, sqdist, total,
)
from .table import XY, XYP, derivative


def gauss(v):
    return np.exp(-sqdist(v.X, v.Y))


# --- Diff(f, v, u): the derivative of f along u --------------------------------------------------


def diff(name, formula, variables, reference, wrt="X", u="i3", **options):
    derivative(f"diff: {name} wrt {wrt}", f"Diff({formula},{wrt},U)", f"{variables} U:{u}",
               differential(reference, wrt), **{"axis": 0 if wrt == "Y" else 1, **options})


diff("gaussian", "Exp(-SqDist(X,Y))", XY, gauss)
diff("gaussian", "Exp(-SqDist(X,Y))", XY, gauss, wrt="Y", u="j3")
diff("weighted gaussian", "Exp(-SqDist(X,Y))*B", f"{XY} B:j2", lambda v: gauss(v) * v.B)
diff("sine of a product", "Sin(X*Y)", XY, lambda v: np.sin(v.X * v.Y))
diff("quotient", "Y/(1+Square(X))", XY, lambda v: v.Y / (1 + v.X ** 2))
diff("quotient by a scalar", "X/S", "X:i3 S:j1+", lambda v: v.X / v.S)
diff("scalprod", "(X|Y)", XY, lambda v: total(v.X * v.Y))
diff("sum", "Sum(X*X*Y)", XY, lambda v: total(v.X ** 2 * v.Y))
diff("concat and extract", "Concat(Extract(X*Y,1,2),Elem(X*X,0))", XY,
     lambda v: concat((v.X * v.Y)[..., 1:3], (v.X ** 2)[..., 0:1]))
diff("norm2", "Norm2(X-Y)", XY, lambda v: norm(v.X - v.Y))
diff("log and sqrt", "Log(X+Y)*Sqrt(X)", XYP, lambda v: np.log(v.X + v.Y) * np.sqrt(v.X))
diff("max of a vector", "Max(X*Y)", XY, lambda v: (v.X * v.Y).max(axis=-1, keepdims=True))
diff("a variable that is not there", "Exp(Y)", f"{XY}", lambda v: np.exp(v.Y) + 0 * v.X)
derivative("diff: along u, then along w", "Diff(Diff(Exp(-SqDist(X,Y)),X,U),X,W)",
           f"{XY} U:i3 W:i3", differential(differential(gauss, "X"), "X", "W"), check=1e-7)
derivative("diff of grad", "Diff(Grad(Exp(-SqDist(X,Y)),X,E),X,U)", f"{XY} E:i1 U:i3",
           differential(gradient(gauss, "X"), "X"), check=1e-7)
derivative("grad of diff", "Grad(Diff(Exp(-SqDist(X,Y)),X,U),X,E)", f"{XY} E:i1 U:i3",
           gradient(differential(gauss, "X"), "X"), check=1e-7)
derivative("diff of two variables at once", "Diff(Exp(-SqDist(X,Y)),(X,Y),(U,W))",
           f"{XY} U:i3 W:j3",
           lambda v: differential(gauss, "X")(v) + differential(gauss, "Y", "W")(v))

# --- GradMatrix(f, v): the gradient of every entry of f, one after the other ---------------------
derivative("gradmatrix of a scalar", "GradMatrix(Exp(-SqDist(X,Y)),X)", XY, jacobian(gauss, "X"))
derivative("gradmatrix of a vector", "GradMatrix(Sin(X*Y)*(X|Y),X)", XY,
           jacobian(lambda v: np.sin(v.X * v.Y) * total(v.X * v.Y), "X"))
derivative("gradmatrix, not square", "GradMatrix(TensorProd(X,Y),Y)", "X:i2 Y:j3",
           jacobian(lambda v: outer(v.X, v.Y), "Y"), axis=0)
derivative("gradmatrix: the hessian", "GradMatrix(Grad(Exp(-SqDist(X,Y)),X,IntCst(1)),X)", XY,
           jacobian(jacobian(gauss, "X"), "X"), check=1e-7)
derivative("gradmatrix of ifelse", "GradMatrix(IfElse(X-Y,X*X,Y),X)", XY,
           jacobian(lambda v: np.where(v.X - v.Y >= 0, v.X ** 2, v.Y), "X"))
derivative("gradmatrix by a scalar", "GradMatrix(S*Y,S)", "S:i1 Y:j3", lambda v: v.Y + 0 * v.S)

# --- Divergence(f, v), Laplacian(f, v) -----------------------------------------------------------
derivative("divergence of a product", "Divergence(X*Y,X)", XY,
           lambda v: total(v.Y) + 0 * v.X[..., :1])
derivative("divergence of the variable: its dim", "Divergence(X,X)*S", f"{XY} S:j1",
           lambda v: 3 * v.S + 0 * v.X[..., :1])
derivative("divergence of a gaussian field", "Divergence(Exp(-SqDist(X,Y))*B,X)", f"{XY} B:j3",
           divergence(lambda v: gauss(v) * v.B, "X"))
derivative("divergence wrt y", "Divergence(Exp(-SqDist(X,Y))*(X-Y),Y)", XY,
           divergence(lambda v: gauss(v) * (v.X - v.Y), "Y"), axis=0)
derivative("divergence of an elementwise function", "Divergence(Sin(X*Y),X)", XY,
           lambda v: total(v.Y * np.cos(v.X * v.Y)))
derivative("divergence of a gradient", "Divergence(Grad(Exp(-SqDist(X,Y)),X,IntCst(1)),X)", XY,
           laplacian(gauss, "X"), check=1e-7)
derivative("laplacian of a gaussian", "Laplacian(Exp(-SqDist(X,Y)),X)", XY,
           lambda v: (4 * sqdist(v.X, v.Y) - 6) * gauss(v), check=1e-11)
derivative("laplacian wrt y", "Laplacian(Exp(-SqDist(X,Y)),Y)", XY,
           lambda v: (4 * sqdist(v.X, v.Y) - 6) * gauss(v), axis=0, check=1e-11)
derivative("laplacian of a squared norm", "Laplacian(SqNorm2(X),X)*S", "X:i3 S:j1",
           lambda v: 6 * v.S + 0 * v.X[..., :1], check=1e-11)
derivative("laplacian of cauchy's kernel", "Laplacian(1/(1+SqDist(X,Y)),X)", XY,
           laplacian(lambda v: 1 / (1 + sqdist(v.X, v.Y)), "X"), check=1e-7)
derivative("laplacian of a norm", "Laplacian(Norm2(X-Y),X)", XY,
           lambda v: 2 / norm(v.X - v.Y), check=1e-11)
derivative("laplacian in a formula", "Laplacian(Exp(-SqDist(X,Y)),X)*B+Y", f"{XY} B:j1",
           lambda v: (4 * sqdist(v.X, v.Y) - 6) * gauss(v) * v.B + v.Y, check=1e-11)
derivative("grad of a laplacian", "Grad(Laplacian(Exp(-SqDist(X,Y)),X),X,E)", f"{XY} E:i1",
           gradient(lambda v: (4 * sqdist(v.X, v.Y) - 6) * gauss(v), "X"))
derivative("grad of a divergence", "Grad(Divergence(Sin(X*Y),X),X,E)", f"{XY} E:i1",
           gradient(lambda v: total(v.Y * np.cos(v.X * v.Y)), "X"))

# --- linear operators: of formulas linear in v ---------------------------------------------------
derivative("trace of a diagonal", "TraceOperator(X*Y+2*X,X)", XY,
           lambda v: total(v.Y) + 6 + 0 * v.X[..., :1], check=1e-11)
derivative("trace of an outer product", "TraceOperator(Y*(X|Z),X)", f"{XY} Z:i3",
           lambda v: total(v.Y * v.Z), check=1e-11)
derivative("trace, weighted by a vector", "TraceOperator(X*Y,X,B)", f"{XY} B:i3",
           lambda v: total(v.Y * v.B), check=1e-11)
derivative("trace, weighted by a scalar", "TraceOperator(X*Y,X,S)", f"{XY} S:i1",
           lambda v: total(v.Y) * v.S, check=1e-11)
derivative("trace of a quotient and a difference", "TraceOperator(X/Y-X,X)", "X:i3 Y:j3+",
           lambda v: total(1 / v.Y - 1) + 0 * v.X[..., :1], check=1e-11)
derivative("trace of a scalar formula: of it repeated", "TraceOperator((X|Y),X)", XY,
           lambda v: total(v.Y) + 0 * v.X[..., :1], check=1e-11)
derivative("trace of a sumT", "TraceOperator(SumT(X|Y,3),X)", XY,
           lambda v: total(v.Y) + 0 * v.X[..., :1], check=1e-11)
derivative("adjoint of a diagonal", "AdjointOperator(X*Y,X,E)", f"{XY} E:i3",
           lambda v: v.Y * v.E, check=1e-11)
derivative("adjoint of a scalar product", "AdjointOperator((X|Y),X,E)", f"{XY} E:i1",
           lambda v: v.Y * v.E, check=1e-11)
derivative("adjoint of an outer product", "AdjointOperator(Y*(X|Z),X,E)", f"{XY} Z:i3 E:i3",
           lambda v: total(v.Y * v.E) * v.Z, check=1e-11)
derivative("adjoint of extract and elem", "AdjointOperator(Extract(X*Y,1,2)+Elem(X,0),X,E)",
           f"{XY} E:i2",
           lambda v: concat(total(v.E), v.Y[..., 1:3] * v.E), check=1e-11)
derivative("sum of a linear function's entries", "SumLinOperator(X*Y+X,X)", XY,
           lambda v: total(v.Y) + 3 + 0 * v.X[..., :1], check=1e-11)
derivative("weighted sum of a linear function's entries", "SumLinOperator(Sum(X*Y),X,1,B)",
           f"{XY} B:i3", lambda v: total(v.Y * v.B), check=1e-11)
