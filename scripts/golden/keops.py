"""Asks KeOps, and says what it answered as the file does.

Enters: a case of the table. Leaves: its JSON object and, where numpy disagrees or a deviation is
stated, an entry of "deviations"; or, for a failure, its message.
"""

import numpy as np

from .inputs import INF, aliases_of, environment, parse_variables
from .launcher import install
from .references import fold

_LOADED = []


def genred():
    """pykeops' Genred, loaded when first needed, with the launcher beside this file."""
    if not _LOADED:
        import pykeops
        from pykeops.numpy import Genred

        pykeops.set_verbose(False)
        install()
        _LOADED.append(Genred)
    return _LOADED[0]


def version():
    from importlib.metadata import version as installed

    return installed("pykeops")


def call(item, variables):
    """KeOps' answer: an array, or values and indices."""
    aliases = aliases_of(variables) if item.aliases is None else list(item.aliases)
    # Genred appends to the list of aliases that it is given.
    routine = genred()(item.formula, aliases, reduction_op=item.reduction, axis=item.axis,
                       opt_arg=item.k, formula2=item.weight)
    arrays = [
        (array.reshape(-1) if category == "Pm" else array).astype(item.dtype)
        for _, category, array in variables
    ]
    return routine(*arrays)


def reference_of(item, variables):
    """numpy's answer, in float64."""
    v = environment(variables)
    rows = {category: len(array) for _, category, array in variables}
    shape = (rows.get("Vi", 1), rows.get("Vj", 1))

    def full(values):
        values = np.asarray(values, dtype=np.float64)
        return np.broadcast_to(values, shape + values.shape[2:])

    with np.errstate(all="ignore"):
        pairs = full(item.reference(v))
        weight = None if item.weight_reference is None else full(item.weight_reference(v))
        return fold(pairs, item.reduction, item.axis, item.k, weight)


def number(value):
    """A JSON value for one number: indices as integers, NaN and infinities as strings."""
    if isinstance(value, np.integer):
        return int(value)
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    small = float(value).is_integer() and 0 < abs(value) < 2**53  # -0 stays a float
    return int(value) if small else float(value)


def written(array):
    return {"shape": list(array.shape), "data": [number(value) for value in array.reshape(-1)]}


def read(entry):
    return np.array([float(value) for value in entry["data"]]).reshape(entry["shape"])


def relative_error(got, expected):
    """Largest |got - expected| / max(1, |expected|); infinite where only one is not finite."""
    got, expected = np.broadcast_arrays(np.float64(got), np.float64(expected))
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    with np.errstate(all="ignore"):
        error = np.abs(got - expected) / np.maximum(1, np.abs(expected))
    error = np.where(same, 0.0, np.where(np.isfinite(error), error, INF))
    return float(error.max(initial=0.0))


def question(item, variables):
    """The part of a case's JSON object that is asked: equal questions have equal answers."""
    record = {
        "name": item.name, "group": item.group, "formula": item.formula,
        "aliases": aliases_of(variables) if item.aliases is None else item.aliases,
        "reduction": item.reduction, "axis": item.axis,
    }
    if item.weight is not None:
        record["weight"] = item.weight
    if item.k is not None:
        record["k"] = item.k
    record["inputs"] = [
        {"category": category, "dim": array.shape[1], "rows": len(array),
         "data": written(array)["data"]}
        for _, category, array in variables
    ]
    record["dtype"] = item.dtype
    return record


def run_case(item, known):
    """The JSON object of a case, its deviation or None, and whether KeOps was asked.

    `known` is the object of an earlier run, or None; its answer is taken where the question is the
    same. numpy is asked every time.
    """
    variables = parse_variables(item.variables, item.data or {}, item.dtype)
    record = question(item, variables)
    answers = ("output", "indices")
    asked = known is None or any(known.get(key) != value for key, value in record.items()) or any(
        key in known and key not in record for key in ("weight", "k"))
    if asked:
        got = call(item, variables)
        for key, values in zip(answers, got if isinstance(got, tuple) else (got,)):
            record[key] = written(values)
    else:
        record |= {key: known[key] for key in answers if key in known}
    record["tolerance"] = item.tolerance
    if item.deviation is not None:
        record["deviation"] = item.deviation

    gots = [read(record[key]) for key in answers if key in record]
    expected = reference_of(item, variables)
    expecteds = expected if isinstance(expected, tuple) else (expected,)
    shapes = [a.shape for a in gots] == [b.shape for b in expecteds]
    error = max(map(relative_error, gots, expecteds)) if shapes else INF
    # A deviation that is only a choice of words is listed too; one without words is a finding.
    if error <= item.check and item.deviation is None:
        return record, None, asked
    return record, {
        "case": f"{item.group}: {item.name}",
        "what": item.deviation or "differs from numpy",
        "maxRelativeError": number(error),
        "reference": [written(b) for b in expecteds],
    }, asked


def failed(item, error):
    """The JSON object of a question that KeOps cannot answer."""
    variables = parse_variables(item.variables, item.data or {}, item.dtype)
    record = question(item, variables)
    del record["group"]
    if item.dtype == "float64":
        del record["dtype"]
    if item.reference is None:
        del record["inputs"]
    return record if error is None else {**record, "message": first_line(error)}


def run_failure(item, known):
    """The JSON object of a failure or None where KeOps answers as numpy does, and whether asked."""
    record = failed(item, None)
    variables = parse_variables(item.variables, item.data or {}, item.dtype)
    expected = None if item.reference is None else reference_of(item, variables)
    expecteds = expected if isinstance(expected, tuple) else (expected,)
    numpy_says = {} if expected is None else {
        "reference": [written(b) for b in expecteds], "tolerance": item.check,
    }
    parts = {"message", "reference", "tolerance"}
    if known is not None and {k: v for k, v in known.items() if k not in parts} == record:
        return {**record, "message": known["message"], **numpy_says}, False
    message = message_of(item, variables, expecteds)
    return (None if message is None else {**record, "message": message, **numpy_says}), True


def message_of(item, variables, expecteds):
    """What is wrong with KeOps' answer, or None."""
    try:
        got = call(item, variables)
    except Exception as error:  # KeOps raises whatever the eval of a string raises
        return first_line(error)
    if item.reference is None:
        return "no error, though the formula has no meaning"
    gots = got if isinstance(got, tuple) else (got,)
    shapes = [list(a.shape) for a in gots], [list(b.shape) for b in expecteds]
    if shapes[0] != shapes[1]:
        return f"no error, but shape {shapes[0][0]}, expected {shapes[1][0]}"
    error = max(map(relative_error, gots, expecteds))
    if error <= item.check:
        return None
    first, wanted = written(gots[0][0])["data"], written(expecteds[0][0])["data"]
    return f"no error, but wrong by {error:.2g}; first row {first}, expected {wanted}"


def first_line(error):
    """Type and first line of an exception, without the place in KeOps' own files."""
    line = (str(error).splitlines() or [""])[0].split(" (error at line")[0]
    return f"{type(error).__name__}: {line}"
