"""The cases of tests/data/keops_golden.json; see scripts/golden_keops.py, which runs them."""
