"""Benchmarks: each module measures one part and gives rows; `python -m bench` prints them as one table."""

import os

# One BLAS thread, as in the node: set before numpy is loaded.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
