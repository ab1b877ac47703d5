"""Complex vectors, interleaved (re, im, re, im, ...): every op, its gradients, its edges."""

import numpy as np

from .references import cplx, gradient, interleave, total
from .table import edge, grad, op

ZW = "Z:i6 W:j6"  # three complex numbers each
ZC = "Z:i6 C:j2"  # and one complex number


def ctotal(z):
    return z.sum(axis=-1, keepdims=True)


def pair(name, formula, variables, reference, cotangent, *wrt, **options):
    """An op and its gradient with respect to each variable of `wrt`, with a cotangent."""
    op(name, formula, variables, reference, **options)
    for one in wrt:
        grad(f"{name} wrt {one}", f"Grad({formula},{one},E)", f"{variables} E:{cotangent}",
             gradient(reference, one), axis=1 if one in "ZX" else 0)


pair("complexreal", "ComplexReal(Z)*X", "Z:i6 X:j3", lambda v: cplx(v.Z).real * v.X, "i3", "Z")
pair("compleximag", "ComplexImag(Z)*X", "Z:i6 X:j3", lambda v: cplx(v.Z).imag * v.X, "i3", "Z")
pair("real2complex", "Real2Complex(X*Y)", "X:i3 Y:j3", lambda v: interleave(v.X * v.Y), "i6", "X")
pair("imag2complex", "Imag2Complex(X*Y)", "X:i3 Y:j3", lambda v: interleave(1j * v.X * v.Y), "i6",
     "X")
pair("conj", "Conj(ComplexMult(Z,W))", ZW, lambda v: interleave(np.conj(cplx(v.Z) * cplx(v.W))),
     "i6", "Z")
pair("complexabs", "ComplexAbs(Z+W)", ZW, lambda v: np.abs(cplx(v.Z + v.W)), "i3", "Z")
pair("complexsquareabs", "ComplexSquareAbs(Z-W)", ZW, lambda v: np.abs(cplx(v.Z - v.W)) ** 2,
     "j3", "W")
pair("complexangle", "ComplexAngle(ComplexMult(Z,W))", "Z:i6 W:j6+",
     lambda v: np.angle(cplx(v.Z) * cplx(v.W)), "i3")
pair("complexangle of a sum", "ComplexAngle(Z+W)", "Z:i6+ W:j6+",
     lambda v: np.angle(cplx(v.Z + v.W)), "i3", "Z")
pair("complexsum", "ComplexSum(ComplexMult(Z,W))", ZW,
     lambda v: interleave(ctotal(cplx(v.Z) * cplx(v.W))), "i2", "Z")
pair("complexsumT", "ComplexSumT(ComplexMult(B,C),6)", "B:i2 C:j2",
     lambda v: interleave(np.repeat(cplx(v.B) * cplx(v.C), 3, axis=-1)), "i6", "B")
pair("complexadd", "ComplexAdd(Z,W)", ZW, lambda v: v.Z + v.W, "i6", "Z")
pair("complexadd of one number", "ComplexAdd(Z,C)", ZC,
     lambda v: interleave(cplx(v.Z) + cplx(v.C)), "j6", "C")
pair("complexsubtract", "ComplexSubtract(Z,W)", ZW, lambda v: v.Z - v.W, "j6", "W")
pair("complexsubtract from one number", "ComplexSubtract(C,Z)", ZC,
     lambda v: interleave(cplx(v.C) - cplx(v.Z)), "i6", "Z", "C")
pair("complexmult", "ComplexMult(Z,W)", ZW, lambda v: interleave(cplx(v.Z) * cplx(v.W)), "i6",
     "Z", "W")
pair("complexmult by one number", "ComplexMult(C,Z)", ZC,
     lambda v: interleave(cplx(v.Z) * cplx(v.C)), "i6", "Z", "C")
pair("complexrealscal", "ComplexRealScal(S,Z)", "S:j1 Z:i6", lambda v: v.S * v.Z, "i6", "Z")
op("complexrealscal, scalar second", "ComplexRealScal(Z,S)", "Z:i6 S:j1", lambda v: v.S * v.Z)
pair("complexdivide", "ComplexDivide(Z,W)", "Z:i6 W:j6+",
     lambda v: interleave(cplx(v.Z) / cplx(v.W)), "i6", "Z", "W")
pair("complexdivide by one number", "ComplexDivide(Z,C)", "Z:i6 C:j2+",
     lambda v: interleave(cplx(v.Z) / cplx(v.C)), "i6", "Z", "C")
pair("complexexp", "ComplexExp(ComplexMult(Z,W))", ZW,
     lambda v: interleave(np.exp(cplx(v.Z) * cplx(v.W))), "i6", "Z")
pair("complexexp1j", "ComplexExp1j(X*Y)", "X:i3 Y:j3", lambda v: interleave(np.exp(1j * v.X * v.Y)),
     "i6", "X")
op("complex fourier sum", "ComplexMult(ComplexExp1j(X|Y),C)", "X:i3 Y:j3 C:j2",
   lambda v: interleave(np.exp(1j * total(v.X * v.Y)) * cplx(v.C)))
op("float32: complexmult and complexexp", "ComplexMult(ComplexExp(Z),W)", ZW,
   lambda v: interleave(np.exp(cplx(v.Z)) * cplx(v.W)), dtype="float32")
grad("complexmult wrt Z, then W", "Grad(Grad(ComplexSquareAbs(ComplexMult(Z,W)),Z,E),W,F)",
     f"{ZW} E:i3 F:i6",
     gradient(gradient(lambda v: np.abs(cplx(v.Z) * cplx(v.W)) ** 2, "Z"), "W", "F"),
     axis=0, check=1e-7)

def interleave_exp(a):
    """e^a without the special values of complex infinity: r cos, r sin."""
    r, t = np.exp(a[..., 0::2]), a[..., 1::2]
    return np.concatenate([r * np.cos(t), r * np.sin(t)], axis=-1)


AXES = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 0.0], [-1.0, -0.0], [3.0, -4.0]]
edge("complexangle on the axes and at 0", "ComplexAngle(Z)", "Z:i2",
     lambda v: np.arctan2(v.Z[..., 1:], v.Z[..., :1]), data={"Z": AXES})
edge("complexabs at 0 and large", "ComplexAbs(Z)", "Z:i2", lambda v: np.hypot(v.Z[..., :1],
     v.Z[..., 1:]), data={"Z": [*AXES, [1e200, 0.0], [3e-200, 4e-200]]},
     deviation="the square overflows and underflows: |1e200| is infinite, |5e-200| is 0")
edge("complexabs gradient at 0", "Grad(ComplexAbs(Z),Z,E)", "Z:i2 E:i1",
     lambda v: np.where(v.Z == 0, 0.0, v.Z / np.maximum(np.abs(cplx(v.Z)), 1e-300)) * v.E,
     data={"Z": AXES, "E": [1.0] * 7})
edge("complexdivide by 0", "ComplexDivide(Z,W)", "Z:i2 W:i2",
     lambda v: v.Z * np.nan,
     data={"Z": [[1.0, 0.0], [0.0, 0.0]], "W": [[0.0, 0.0], [0.0, 0.0]]})
edge("complexexp of large and infinite numbers", "ComplexExp(Z)", "Z:i2",
     lambda v: interleave_exp(v.Z),
     data={"Z": [[-800.0, 1.0], [800.0, 1.0], [0.0, 0.0], [0.0, np.pi], [1.0, np.inf]]})
