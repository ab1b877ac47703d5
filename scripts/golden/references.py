"""The references: pairwise values by numpy, (M, N, dim), and their folds.

Enters: arrays that broadcast to (M, N, dim). Leaves: the same; `fold` what a
reduction gives.
"""

from types import SimpleNamespace

import numpy as np

from .inputs import INF


def total(a):
    return a.sum(axis=-1, keepdims=True)


def sqdist(a, b):
    return total((a - b) ** 2)


def norm(a):
    return np.sqrt(total(a * a))


def rsqrt(a):
    """KeOps' convention: 0 at 0."""
    return np.where(a == 0, 0.0, 1.0 / np.sqrt(np.where(a == 0, 1.0, a)))


def step(a):
    return np.where(a < 0, 0.0, 1.0)


def round_half_away(a, decimals=0):
    """C's round: halves go away from zero."""
    scale = 10.0 ** decimals
    scaled = np.abs(a * scale)
    whole = np.floor(scaled)
    return np.copysign(whole + (scaled - whole >= 0.5), a) / scale


def largest(a):
    return np.fmax.reduce(a, axis=-1, keepdims=True)


def smallest(a):
    return np.fmin.reduce(a, axis=-1, keepdims=True)


def where_largest(a):
    """Index of the largest entry; NaN never wins, ties go to the lower index."""
    return np.argmax(np.where(np.isnan(a), -INF, a), axis=-1)[..., None].astype(np.float64)


def where_smallest(a):
    return where_largest(-a)


def one_hot(a, dim):
    return (np.arange(dim) == np.floor(a + 0.5)).astype(np.float64)


def concat(*parts):
    shape = np.broadcast_shapes(*(p.shape[:2] for p in parts))
    return np.concatenate([np.broadcast_to(p, shape + p.shape[2:]) for p in parts], axis=-1)


def pad(a, before, after):
    return np.pad(a, ((0, 0), (0, 0), (before, after)))


# ------------------------------------------------------------------------------------------------
# Matrices and tensors, row-major in the last axis
# ------------------------------------------------------------------------------------------------


def shaped(a, *dims):
    return a.reshape(a.shape[:2] + dims)


def flat(a):
    return a.reshape(a.shape[:2] + (-1,))


def matvec(a, b):
    return np.einsum("mnij,mnj->mni", *paired(shaped(a, -1, b.shape[-1]), b))


def vecmat(b, a):
    return np.einsum("mni,mnij->mnj", *paired(b, shaped(a, b.shape[-1], -1)))


def outer(a, b):
    return flat(a[..., :, None] * b[..., None, :])


def paired(a, b):
    """Both with the pair axes of the two."""
    pairs = np.broadcast_shapes(a.shape[:2], b.shape[:2])
    return np.broadcast_to(a, pairs + a.shape[2:]), np.broadcast_to(b, pairs + b.shape[2:])


def tensordot(a, b, dims_a, dims_b, axes_a, axes_b, permute=None):
    """numpy.tensordot of every pair; axis k of that becomes axis permute[k]."""
    a, b = paired(a, b)
    result = np.empty(a.shape[:2], dtype=object)
    for pair in np.ndindex(*a.shape[:2]):
        t = np.tensordot(a[pair].reshape(dims_a), b[pair].reshape(dims_b), (axes_a, axes_b))
        t = t if permute is None else np.moveaxis(t, range(t.ndim), permute)
        result[pair] = t.reshape(-1)
    return np.array([list(row) for row in result])


def kron(a, b, dims_a, dims_b):
    a, b = paired(a, b)
    return np.array([
        [np.kron(u.reshape(dims_a), v.reshape(dims_b)).reshape(-1) for u, v in zip(*rows)]
        for rows in zip(a, b)
    ])


# ------------------------------------------------------------------------------------------------
# Complex numbers: interleaved in the last axis
# ------------------------------------------------------------------------------------------------


def cplx(a):
    return a[..., 0::2] + 1j * a[..., 1::2]


def interleave(z):
    z = np.asarray(z, dtype=np.complex128)
    return np.stack([z.real, z.imag], axis=-1).reshape(z.shape[:-1] + (-1,))


# ------------------------------------------------------------------------------------------------
# Splines and warping, by their definitions
# ------------------------------------------------------------------------------------------------


def quotient(a, b):
    """a / b, and 0 where b is 0."""
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)


def bspline(knots, x, order):
    """B_{0..K-order-2, order}(x) for K knots, by the recursion of Cox and de Boor; 0/0 is 0."""

    def t(n):
        return knots[..., n:n + 1]

    def basis(i, k):
        if k == 0:
            return ((t(i) <= x) & (x < t(i + 1))) * 1.0
        return (quotient(x - t(i), t(i + k) - t(i)) * basis(i, k - 1)
                + quotient(t(i + k + 1) - x, t(i + k + 1) - t(i + 1)) * basis(i + 1, k - 1))

    return concat(*(basis(i, order) for i in range(knots.shape[-1] - order - 1)))


def bspline_slope(knots, x, order):
    """dB/dx: order times the difference of two splines of one order less, each over its width."""
    lower = bspline(knots, x, order - 1)
    widths = knots[..., order:] - knots[..., :-order]
    each = quotient(lower, widths)
    return order * (each[..., :-1] - each[..., 1:])


def softdtw(x, y, gamma):
    """Soft dynamic time warping of two sequences (Cuturi and Blondel 2017) with squares."""
    x, y = paired(x, y)
    shape = x.shape[:2] + (1,)
    table = {(-1, -1): np.zeros(shape)}
    far = np.full(shape, INF)
    for i in range(x.shape[-1]):
        for j in range(y.shape[-1]):
            before = [table.get(key, far) for key in ((i - 1, j - 1), (i - 1, j), (i, j - 1))]
            least = np.minimum.reduce(before)
            soft = least - gamma * np.log(sum(np.exp((least - b) / gamma) for b in before))
            table[i, j] = (x[..., i:i + 1] - y[..., j:j + 1]) ** 2 + soft
    return table[x.shape[-1] - 1, y.shape[-1] - 1]


# ------------------------------------------------------------------------------------------------
# Derivatives, by central differences of order four
# ------------------------------------------------------------------------------------------------


def moved(value, name, v, d):
    """value as a function of an offset of coordinate d of a variable."""
    array = getattr(v, name)

    def at(offset):
        shifted = array.copy()
        shifted[..., d] += offset
        return value(SimpleNamespace(**{**vars(v), name: shifted}))

    return at


def slope_along(value, name, v, d, h=1e-3):
    at = moved(value, name, v, d)
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def dim_of(v, name):
    return getattr(v, name).shape[-1]


def gradient(value, name, cotangent="E", h=1e-3):
    """Pairwise sum_d cotangent_d dvalue_d/dname."""

    def result(v):
        return concat(*(
            total(slope_along(value, name, v, d, h) * getattr(v, cotangent))
            for d in range(dim_of(v, name))
        ))

    return result


def differential(value, name, direction="U", h=1e-3):
    """Pairwise sum_d direction_d dvalue/dname_d."""

    def result(v):
        u = getattr(v, direction)
        return sum(
            slope_along(value, name, v, d, h) * u[..., d:d + 1] for d in range(dim_of(v, name))
        )

    return result


def jacobian(value, name, h=1e-3):
    """Rows are the entries of value, columns those of the variable."""

    def result(v):
        columns = np.broadcast_arrays(
            *(slope_along(value, name, v, d, h) for d in range(dim_of(v, name)))
        )
        return flat(np.stack(columns, axis=-1))

    return result


def divergence(value, name, h=1e-3):
    def result(v):
        return sum(
            slope_along(value, name, v, d, h)[..., d:d + 1] for d in range(dim_of(v, name))
        )

    return result


def laplacian(value, name, h=4e-3):
    """Second differences of order six, which keep more digits than differences of differences."""

    def result(v):
        answer = 0.0
        for d in range(dim_of(v, name)):
            at = moved(value, name, v, d)
            sides = [at(k * h) + at(-k * h) for k in (1, 2, 3)]
            answer = answer + (
                270 * sides[0] - 27 * sides[1] + 2 * sides[2] - 490 * at(0.0)
            ) / (180 * h * h)
        return answer

    return result


# ------------------------------------------------------------------------------------------------
# Reductions
# ------------------------------------------------------------------------------------------------


def fold(pairs, reduction, axis, k, weight):
    """Folds (M, N, dim) as KeOps documents the reduction. Returns values, or (values, indices)."""
    pairs = np.moveaxis(pairs, 1 if axis == 1 else 0, 0)  # folded axis first
    if reduction == "Sum":
        return pairs.sum(axis=0)
    if reduction in ("Min", "Max"):
        return (np.fmin if reduction == "Min" else np.fmax).reduce(pairs, axis=0)
    if "Exp" in reduction or "SoftMax" in reduction:
        if reduction == "LogSumExp" and weight is None:
            return np.logaddexp.reduce(pairs, axis=0)
        m = pairs.max(axis=0)
        e = np.exp(pairs - m)
        w = 1.0 if weight is None else np.moveaxis(weight, 1 if axis == 1 else 0, 0)
        s = (e * w).sum(axis=0)
        if reduction in ("LogSumExp", "LogSumExpWeight"):
            return m + np.log(s)
        if reduction in ("SumSoftMaxWeight", "SoftMax"):
            return s / e.sum(axis=0)
        return np.concatenate([m, s], axis=-1)
    # What follows orders the folded axis: NaN last and of index -1, ties to the lower index.
    sign = -1.0 if "Max" in reduction else 1.0
    order = np.argsort(sign * pairs, axis=0, kind="stable")
    ordered = np.take_along_axis(pairs, order, axis=0)
    if "K" not in reduction:
        values, indices = ordered[0], order[0]
    else:
        missing = max(0, k - len(order))
        tail = ((0, missing), (0, 0), (0, 0))
        values = np.pad(ordered, tail, constant_values=INF)[:k].swapaxes(0, 1)
        indices = np.pad(order, tail, constant_values=0)[:k].swapaxes(0, 1)
        if values.shape[-1] == 1:
            values, indices = values[..., 0], indices[..., 0]
    indices = np.where(np.isnan(values), -1, indices)
    if reduction.startswith("Arg"):
        return indices
    return (values, indices) if "Arg" in reduction else values
