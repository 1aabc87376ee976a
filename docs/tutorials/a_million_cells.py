# %% [markdown]
# # A million cells
#
# Every step is linear in the number of cells, and none needs an array of cells x cells. What there is
# for data that do not fit, for long trainings and for several machines is shown here on 1,500 simulated
# cells, small enough to run in seconds. What was measured at which size, and what was not, is in
# [large data](../scale.md).

# %%
import anndata as ad
import pandas as pd

import scrcl

cells = scrcl.datasets.simulated_cells(n_obs=1500, n_genes=1000, n_types=6)
cells.write_h5ad("cells.h5ad")

# %% [markdown]
# ## Leave the file on disk
#
# Store counts as a sparse matrix, cell by cell, in an `.h5ad`. What does not fit into memory stays on
# disk and is read in blocks of cells; a line says so. Nothing has to be asked for. In a notebook, open
# the file with `backed="r"`, and give it to `scrcl.cluster` or `fit` as it is:

# %%
on_disk = ad.read_h5ad("cells.h5ad", backed="r")
on_disk

# %% [markdown]
# ## Mini-batches
#
# `train.batch_size` is the number of cells that a step sees, at most; each is there with its neighbours.
# [Large data](../scale.md) says what the default is. The smaller it is, the less memory a step takes:

# %%
config = scrcl.model.find_config("default", "sc")
changes = {"train.batch_size": 256, "train.n_epochs": 20}
config = scrcl.config.override(config, changes)
model = scrcl.ScRCL(config, n_clusters=6).fit(on_disk)
model.history.iloc[[0, -1]]

# %% [markdown]
# `train.n_epochs` counts steps, so a small batch wants more of them. Smoothing over the graph uses all
# true neighbours, and the final embedding is that of all cells, computed block by block:

# %%
clusters = pd.Series(model.labels_, cells.obs_names, name="cluster")
pd.crosstab(cells.obs["cell_type1"], clusters)

# %% [markdown]
# As a command, with `train.precision=bfloat16` on top: numbers of half the width in the encoders. See
# [large data](../scale.md#half-precision) before you use it.

# %% language="bash"
# scrcl run --input cells.h5ad --n-clusters 6 --epochs 10 --no-report \
#     --set train.batch_size=256 --set train.precision=bfloat16 --quiet
# scrcl list | tail -n 2

# %% [markdown]
# ## Go on after a cut
#
# A run saves each seed when it is done, and the training of the current one once a minute. If it is cut,
# by you, by the queue or by a power failure, the same command with `--resume` goes on: finished seeds
# are kept, and the training continues from where it was saved. Here a second seed is added in this way:

# %% language="bash"
# scrcl run --input cells.h5ad --n-clusters 6 --epochs 10 --no-report \
#     --set train.batch_size=256 --set train.precision=bfloat16 \
#     --seeds 0,1 --resume --quiet
# scrcl list | tail -n 1

# %% [markdown]
# On a CPU, a training that was cut ends with the same bits as one that was not.
#
# ## Several processes and machines
#
# `torchrun` starts the same script several times; each process takes a part of the cells, and the
# clusters are those of one process. On one machine:
#
# ```sh
# torchrun --nproc-per-node=8 runSC.py --input cells.h5ad --device cuda
# ```
#
# On two machines, the same line on each (`HEAD` is the name of the first):
#
# ```sh
# torchrun --nnodes=2 --nproc-per-node=8 \
#     --rdzv-id=1 --rdzv-backend=c10d --rdzv-endpoint=HEAD:29500 \
#     runSC.py --input cells.h5ad --device cuda
# ```
#
# A script for SLURM, and what has been tried of this and what has not: [large data](../scale.md).
#
# ## After the training
#
# - Clusters of more than 20,000 cells are formed on a random sample; the other cells follow their nearest
#   sampled ones.
# - Cells that come later need no new training: [cells not seen before](new_cells.md).
# - `--no-report` leaves marker genes and the page out; `scrcl degs` and `scrcl report` make them later.
