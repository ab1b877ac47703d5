"""Every reduction of KeOps, of scalars and of vectors, over j (axis 1) and over i (axis 0)."""

import numpy as np

from .references import sqdist, total
from .table import XY, reduce

SCALAR = ("SqDist(X,Y)", XY, lambda v: sqdist(v.X, v.Y))
VECTOR = ("Sin(X*Y)", XY, lambda v: np.sin(v.X * v.Y))

for word in ("LogSumExp", "Min", "Max", "ArgMin", "ArgMax"):
    reduce(f"{word}, axis 1", *SCALAR, word, axis=1)
    reduce(f"{word}, axis 0", *SCALAR, word, axis=0)
for word in ("KMin", "ArgKMin"):
    reduce(f"{word}, axis 1", *SCALAR, word, axis=1, k=3)
    reduce(f"{word}, axis 0", *SCALAR, word, axis=0, k=3)
for word in ("Min", "ArgMax"):
    reduce(f"{word} of a vector", *VECTOR, word)
for word in ("KMin", "ArgKMin"):
    reduce(f"{word} of a vector", *VECTOR, word, k=3)
reduce("Min_ArgMin", *SCALAR, "Min_ArgMin")
reduce("Max_ArgMax", *VECTOR, "Max_ArgMax", axis=0)
reduce("KMin_ArgKMin", *SCALAR, "KMin_ArgKMin", k=3)
WEIGHTED = ("SqDist(X,Y)", f"{XY} B:j3", SCALAR[2])
reduce("LogSumExp with a vector weight", *WEIGHTED, "LogSumExp", weight="Square(B)",
       weight_reference=lambda v: v.B ** 2)
reduce("SumSoftMaxWeight", *WEIGHTED, "SumSoftMaxWeight", weight="B",
       weight_reference=lambda v: v.B)

# --- the pairs (m, s) and what is made of them ---------------------------------------------------
for axis in (1, 0):
    reduce(f"Max_SumShiftExp, axis {axis}", *SCALAR, "Max_SumShiftExp", axis=axis)
    reduce(f"Max_SumShiftExpWeight, axis {axis}", *WEIGHTED, "Max_SumShiftExpWeight", axis=axis,
           weight="B", weight_reference=lambda v: v.B)
reduce("Max_SumShiftExpWeight with a scalar weight", "X|Y", f"{XY} S:i1",
       lambda v: total(v.X * v.Y), "Max_SumShiftExpWeight", weight="S*Elem(Y,1)",
       weight_reference=lambda v: v.S * v.Y[..., 1:2])
reduce("LogSumExp with a scalar weight", "X|Y", f"{XY} S:j1+", lambda v: total(v.X * v.Y),
       "LogSumExp", weight="S", weight_reference=lambda v: v.S)
reduce("LogSumExp with a scalar weight, axis 0", "X|Y", f"{XY} S:j1+",
       lambda v: total(v.X * v.Y), "LogSumExp", axis=0, weight="S", weight_reference=lambda v: v.S)
reduce("LogSumExp with a vector weight, axis 0", *WEIGHTED, "LogSumExp", axis=0,
       weight="Square(B)", weight_reference=lambda v: v.B ** 2)
reduce("LogSumExp with weights 0", "X|Y", f"{XY} S:j1", lambda v: total(v.X * v.Y), "LogSumExp",
       weight="S", weight_reference=lambda v: v.S, data={"S": [0.0, 2.0, 0.0, 0.5, 0.0, 0.0, 1.0]})
reduce("LogSumExpWeight", "X|Y", f"{XY} B:j3+", lambda v: total(v.X * v.Y), "LogSumExpWeight",
       weight="B", weight_reference=lambda v: v.B,
       deviation="LogSumExpWeight is not finished: it answers (m, s), not m + log(s)")
reduce("SumSoftMaxWeight, axis 0", *WEIGHTED, "SumSoftMaxWeight", axis=0, weight="B*X",
       weight_reference=lambda v: v.B * v.X)
reduce("SumSoftMaxWeight with a scalar weight", *WEIGHTED, "SumSoftMaxWeight", weight="Elem(B,0)",
       weight_reference=lambda v: v.B[..., 0:1])
reduce("SoftMax, the older name", *WEIGHTED, "SoftMax", weight="B",
       weight_reference=lambda v: v.B)

# --- what the first cases leave out: each reduction of scalars and vectors, over both axes -------
reduce("Min of a vector, axis 0", *VECTOR, "Min", axis=0)
reduce("Max of a vector", *VECTOR, "Max")
reduce("Max of a vector, axis 0", *VECTOR, "Max", axis=0)
reduce("ArgMin of a vector", *VECTOR, "ArgMin")
reduce("ArgMin of a vector, axis 0", *VECTOR, "ArgMin", axis=0)
reduce("ArgMax of a vector, axis 0", *VECTOR, "ArgMax", axis=0)
reduce("Min_ArgMin, axis 0", *SCALAR, "Min_ArgMin", axis=0)
reduce("Min_ArgMin of a vector", *VECTOR, "Min_ArgMin")
reduce("Min_ArgMin of a vector, axis 0", *VECTOR, "Min_ArgMin", axis=0)
reduce("Max_ArgMax of a scalar", *SCALAR, "Max_ArgMax")
reduce("Max_ArgMax of a scalar, axis 0", *SCALAR, "Max_ArgMax", axis=0)
reduce("Max_ArgMax of a vector", *VECTOR, "Max_ArgMax")
reduce("KMin of a vector, axis 0", *VECTOR, "KMin", axis=0, k=2)
reduce("ArgKMin of a vector, axis 0", *VECTOR, "ArgKMin", axis=0, k=2)
reduce("KMin_ArgKMin, axis 0", *SCALAR, "KMin_ArgKMin", axis=0, k=3)
reduce("KMin_ArgKMin of a vector", *VECTOR, "KMin_ArgKMin", k=3)
reduce("KMin_ArgKMin of a vector, axis 0", *VECTOR, "KMin_ArgKMin", axis=0, k=4)
reduce("KMin, K is 1", *SCALAR, "KMin", k=1)
reduce("ArgKMin, K is 1", *VECTOR, "ArgKMin", k=1)
reduce("KMin_ArgKMin, K is N", *SCALAR, "KMin_ArgKMin", k=7)
for word in ("KMin", "ArgKMin"):
    reduce(f"{word}, K larger than N", *SCALAR, word, k=9)
    reduce(f"{word} of a vector, K larger than M", *VECTOR, word, k=6, axis=0)

# --- ties go to the lower index ------------------------------------------------------------------
TIES = ("X*Y+Sum(X)", "X:i2# Y:j2#", lambda v: v.X * v.Y + total(v.X))
for word in ("ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax"):
    reduce(f"{word} with ties", *TIES, word)
    reduce(f"{word} with ties, axis 0", *TIES, word, axis=0)
reduce("KMin_ArgKMin with ties", *TIES, "KMin_ArgKMin", k=4)
reduce("KMin_ArgKMin with ties, axis 0", *TIES, "KMin_ArgKMin", k=4, axis=0)

# --- one row, one column: no variable of that index ----------------------------------------------
ROW = ("Sin(3*X)", "X:i3", lambda v: np.sin(3 * v.X))
reduce("Min, no j variable", *ROW, "Min")
reduce("ArgMax, no j variable", *ROW, "ArgMax")
reduce("Max_ArgMax, no j variable, axis 0", *ROW, "Max_ArgMax", axis=0)
reduce("KMin, no j variable: padded", *ROW, "KMin", k=2)
reduce("LogSumExp, no i variable", "Norm2(Y)", "Y:j3", lambda v: np.sqrt(total(v.Y ** 2)),
       "LogSumExp")
reduce("Sum, parameters alone", "P*Q", "P:p3 Q:p1", lambda v: v.P * v.Q, "Sum")

# --- in float32 ----------------------------------------------------------------------------------
reduce("float32: LogSumExp", *SCALAR, "LogSumExp", dtype="float32")
reduce("float32: SumSoftMaxWeight", *WEIGHTED, "SumSoftMaxWeight", weight="B",
       weight_reference=lambda v: v.B, dtype="float32")
reduce("float32: KMin_ArgKMin", *SCALAR, "KMin_ArgKMin", k=3, dtype="float32")
reduce("float32: Max_ArgMax", *VECTOR, "Max_ArgMax", dtype="float32")
