"""The language of formulas: precedence, powers, comparisons, numbers, aliases."""

import numpy as np

from .references import sqdist, total
from .table import XY, XYP, syntax

GAUSSIAN = lambda v: np.exp(-sqdist(v.X, v.Y)) * v.B
XYZ = "X:i3 Y:j3 Z:j3"

# --- precedence, as in Python --------------------------------------------------------------------
syntax("minus of a square", "-X**2+Y", XY, lambda v: -v.X ** 2 + v.Y)
syntax("product before sum", "X+Y*Z", XYZ, lambda v: v.X + v.Y * v.Z)
syntax("differences from the left", "X-Y-Z", XYZ, lambda v: v.X - v.Y - v.Z)
syntax("quotients from the left", "X/Y/Z", "X:i3 Y:j3+ Z:j3+", lambda v: v.X / v.Y / v.Z)
syntax("quotient and product from the left", "X/Y*Z", "X:i3 Y:j3+ Z:j3", lambda v: v.X / v.Y * v.Z)
syntax("parentheses", "X-(Y-Z)*(X+Y)", XYZ, lambda v: v.X - (v.Y - v.Z) * (v.X + v.Y))
syntax("scalprod after products", "X*Y|Z*Y", XYZ, lambda v: total(v.X * v.Y * v.Z * v.Y))
syntax("scalprod after differences", "X-Y|X-Z", XYZ, lambda v: total((v.X - v.Y) * (v.X - v.Z)))
syntax("scalprods from the left", "X|Y|Z", XYZ, lambda v: total(v.X * v.Y) * total(v.Z))
syntax("scalprod in parentheses times a vector", "(X|Y)*Z", XYZ, lambda v: total(v.X * v.Y) * v.Z)
syntax("comparison after scalprod", "X|Y<Elem(Z,0)", XYZ,
       lambda v: (total(v.X * v.Y) < v.Z[..., :1]) * 1.0)
syntax("comparison after sum", "X+Y<=Z-Y", XYZ, lambda v: (v.X + v.Y <= v.Z - v.Y) * 1.0)
syntax("greater than", "(X>Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X > v.Y) * v.Z)
syntax("greater or equal", "(X>=Y)*Z", "X:i3# Y:j3# Z:j3", lambda v: (v.X >= v.Y) * v.Z)
syntax("less than a number", "(X-Y<1)*Z+(X-Y<=0)", "X:i3# Y:j3# Z:j3",
       lambda v: (v.X - v.Y < 1) * v.Z + (v.X - v.Y <= 0))
syntax("a number less than", "(1>X-Y)*Z+(0<=X-Y)", "X:i3# Y:j3# Z:j3",
       lambda v: (1 > v.X - v.Y) * v.Z + (0 <= v.X - v.Y))
syntax("power from the right", "X**2**1*Y", XY, lambda v: v.X ** 2 * v.Y)
syntax("power before minus", "X*-Y**3", XY, lambda v: -v.X * v.Y ** 3)
syntax("negative power", "(X+Y)**-1", XYP, lambda v: 1 / (v.X + v.Y))
syntax("power of a sum, power of a function", "(X-Y)**2+Sin(X)**2", XY,
       lambda v: (v.X - v.Y) ** 2 + np.sin(v.X) ** 2)
syntax("power 1", "(X-Y)**1", XY, lambda v: v.X - v.Y)
syntax("power 0", "(X-Y)**0*Y", XY, lambda v: v.Y + 0 * v.X)
syntax("two minus signs", "--X-Y", XY, lambda v: v.X - v.Y)
syntax("minus a product", "-X*-Y", XY, lambda v: v.X * v.Y)
syntax("spaces anywhere", " Exp( - SqDist( X , Y ) ) * B ", f"{XY} B:j1", GAUSSIAN)

# --- numbers -------------------------------------------------------------------------------------
syntax("integers on both sides", "2*X+Y*3-1", XY, lambda v: 2 * v.X + 3 * v.Y - 1)
syntax("integer over a vector", "3/Y*X", "X:i3 Y:j3+", lambda v: 3 / v.Y * v.X)
syntax("one over a vector", "1/(X+Y)", XYP, lambda v: 1 / (v.X + v.Y))
syntax("halves and quarters", "X/2+Y/4-X*Y/8", XY, lambda v: v.X / 2 + v.Y / 4 - v.X * v.Y / 8)
syntax("integer arithmetic in the formula", "(2+3)*X-2*3*Y", XY, lambda v: 5 * v.X - 6 * v.Y)
syntax("twice the same", "X+X-3*X+Y*Y", XY, lambda v: v.Y ** 2 - v.X)
syntax("factors in common", "X*Y+X*Z-Y*Z", XYZ, lambda v: v.X * v.Y + v.X * v.Z - v.Y * v.Z)
syntax("a difference that is zero", "X-X+Y", XY, lambda v: v.Y + 0 * v.X)
syntax("products of exponentials", "Exp(X)*Exp(Y)*Exp(-X-Y)*Y", XY, lambda v: v.Y + 0 * v.X)

# --- aliases and positions -----------------------------------------------------------------------
GAUSS = "Exp(-SqDist(X,Y))*B"
syntax("aliases without positions", GAUSS, f"{XY} B:j1", GAUSSIAN,
       aliases=["X=Vi(3)", "Y=Vj(3)", "B=Vj(1)"])
syntax("aliases with spaces", GAUSS, f"{XY} B:j1", GAUSSIAN,
       aliases=["X = Vi(0, 3)", "Y = Vj( 3 )", " B =Vj(2,1)"])
syntax("aliases in another order", GAUSS, f"{XY} B:j1", GAUSSIAN,
       aliases=["B=Vj(2,1)", "Y=Vj(1,3)", "X=Vi(0,3)"])
syntax("variables in the formula, no alias", "Exp(-SqDist(Var(0,3,0),Var(1,3,1)))*Var(2,1,1)",
       f"{XY} B:j1", GAUSSIAN, aliases=[])
syntax("variables in the formula and an alias", "Exp(-SqDist(X,Var(1,3,1)))*Var(2,1,1)",
       f"{XY} B:j1", GAUSSIAN, aliases=["X=Vi(0,3)"])
syntax("a variable under two names", "SqDist(X,Y)+SqNorm2(Var(0,3,0))", XY,
       lambda v: sqdist(v.X, v.Y) + total(v.X ** 2))
syntax("an alias that is not used", "X*Y", "X:i3 U:j2 Y:j3", lambda v: v.X * v.Y)
syntax("an unused i variable gives the rows", "Y*2", "X:i3 Y:j3", lambda v: 2 * v.Y + 0 * v.X)
syntax("a parameter under three names", "P*X*Y+Q+R", f"{XY} P:p1 Q:p3 R:p1",
       lambda v: v.P * v.X * v.Y + v.Q + v.R)
syntax("long names with digits and underscores", "Exp(-SqDist(x_i,y1))*_b", "x_i:i3 y1:j3 _b:j1",
       lambda v: np.exp(-sqdist(v.x_i, v.y1)) * v._b)
syntax("a variable named like an op", "Exp(-SqDist(Sin,Log))*Abs", "Sin:i3 Log:j3 Abs:j1",
       lambda v: np.exp(-sqdist(v.Sin, v.Log)) * v.Abs)
syntax("gradient wrt a variable in the formula", "Grad(Exp(-SqDist(X,Y)),Var(0,3,0),Var(2,1,0))",
       f"{XY} E:i1", lambda v: -2 * (v.X - v.Y) * np.exp(-sqdist(v.X, v.Y)) * v.E)
syntax("gradient with a number for cotangent", "Grad(SqDist(X,Y),X,IntCst(1))", XY,
       lambda v: 2 * (v.X - v.Y))
syntax("gradient inside a formula", "Norm2(Grad(SqDist(X,Y),X,IntCst(1)))*B", f"{XY} B:j1",
       lambda v: 2 * np.sqrt(sqdist(v.X, v.Y)) * v.B)
syntax("gradient with a formula for cotangent", "Grad(X*Y,X,Sin(Z))", XYZ,
       lambda v: v.Y * np.sin(v.Z) + 0 * v.X)
