"""Inputs of the cases.

Enters: a text like 'X:i3 Y:j3+ G:p1', and data that overrides what it draws. Leaves: the variables
in position order, each (name, category, array of shape (rows, dim)), always the same for a text.
"""

import zlib
from types import SimpleNamespace

import numpy as np

SEED = 20240
M, N = 5, 7
INF, NAN = float("inf"), float("nan")

CATEGORY = {"i": "Vi", "j": "Vj", "p": "Pm"}
ROWS = {"i": M, "j": N, "p": 1}
KINDS = "+#~%"


def draw(token, letter, dim, kind):
    """Data for one variable; equal tokens give equal data, in every case and every run."""
    generator = np.random.default_rng([SEED, zlib.crc32(token.encode())])
    shape = (ROWS[letter], dim)
    if kind == "+":
        data = generator.uniform(0.3, 2.0, shape)
    elif kind == "":
        data = generator.uniform(-1.5, 1.5, shape)
    elif kind == "#":  # few integers, so that equalities and ties happen
        data = generator.integers(-1, 2, shape).astype(np.float64)
    elif kind == "~":  # inside (-1, 1)
        data = generator.uniform(-0.95, 0.95, shape)
    elif kind == "%":  # eighths: differences are exact, and often whole or half numbers
        data = generator.integers(-20, 21, shape) / 8
    else:
        raise ValueError(f"unknown kind {kind!r} in {token!r}")
    return np.round(data, 4)


def parse_variables(text, data, dtype="float64"):
    """'X:i3 Y:j3+ G:p1' -> (name, category, array) in position order; data overrides by name.

    Data of a float32 case is rounded to float32 here, so that the file has the very numbers that
    KeOps got.
    """
    variables = []
    for token in text.split():
        name, rest = token.split(":")
        letter, kind = rest[0], rest[-1] if rest[-1] in KINDS else ""
        dim = int(rest[1:].rstrip(KINDS))
        if name in data:
            array = np.array(data[name], dtype=np.float64).reshape(-1, dim)
        else:
            array = draw(token, letter, dim, kind)
        variables.append((name, CATEGORY[letter], array.astype(dtype).astype(np.float64)))
    return variables


def aliases_of(variables):
    """Aliases with positions: 'X=Vi(0,3)'."""
    return [
        f"{name}={category}({position},{array.shape[1]})"
        for position, (name, category, array) in enumerate(variables)
    ]


def environment(variables):
    """The variables as arrays that broadcast to (M, N, dim)."""
    views = {}
    for name, category, array in variables:
        axis = {"Vi": 1, "Vj": 0, "Pm": 0}[category]
        views[name] = np.expand_dims(array, axis)
    return SimpleNamespace(**views)
