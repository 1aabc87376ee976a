"""Compile on tiny data what is compiled on first use, before the clocks of the methods run.

Imported by the process that all others are forked from. One thread: a pool of threads would not
survive the fork.
"""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from benchmarks.baselines import N_PCS, expression, kmeans, leiden, sparse_pcs

N_CELLS, N_GENES = 60, 80

with threadpool_limits(1):
    counts = np.random.default_rng(0).poisson(1.0, (N_CELLS, N_GENES))
    names = pd.DataFrame(index=[str(i) for i in range(N_CELLS)])
    cells = ad.AnnData(sp.csr_matrix(counts, dtype=np.float32), names)
    points = sparse_pcs(expression(cells).log_norm.X, N_PCS)
    leiden(points, 2, 0)
    kmeans(points, 2, 0)
