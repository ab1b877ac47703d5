"""The table of cases, which the modules beside this one fill when imported.

Enters: calls of op, grad, derivative, reduce, edge and syntax, one per question to KeOps. Leaves:
CASES, in the order of the calls.
"""

from types import SimpleNamespace

CASES = []


def case(
    group, name, formula, variables, reference,
    reduction="Sum", axis=1, k=None, weight=None, weight_reference=None,
    data=None, aliases=None, dtype="float64", tolerance=None, check=None, deviation=None,
):
    """One case. `reference` maps the environment to pairwise values, or is None where the formula
    cannot be said so.

    `aliases` are what KeOps gets instead of one alias with position per variable; `tolerance` is
    how accurate KeOps' own values are; `check` is how closely numpy must agree (looser for
    gradients, which are differenced).
    """
    if tolerance is None:
        tolerance = 1e-12 if dtype == "float64" else 2e-6
    if check is None:
        check = 1e-11 if dtype == "float64" else 2e-6
    CASES.append(SimpleNamespace(**locals()))


def op(name, formula, variables, reference, **options):
    case("op", name, formula, variables, reference, **options)


def grad(name, formula, variables, reference, **options):
    case("gradient", name, formula, variables, reference, **{"check": 1e-8, **options})


def derivative(name, formula, variables, reference, **options):
    case("derivative", name, formula, variables, reference, **{"check": 1e-8, **options})


def reduce(name, formula, variables, reference, reduction, **options):
    case("reduction", name, formula, variables, reference, reduction=reduction, **options)


def edge(name, formula, variables, reference, **options):
    case("edge", name, formula, variables, reference, **options)


def syntax(name, formula, variables, reference, **options):
    case("syntax", name, formula, variables, reference, **options)


XY, XYP = "X:i3 Y:j3", "X:i3+ Y:j3+"
XYT, XYE = "X:i3~ Y:j3~", "X:i3% Y:j3%"
IFTHEN = "X:i3 Y:j3 A:j3 B:i3"
