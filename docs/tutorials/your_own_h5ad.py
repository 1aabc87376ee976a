# %% [markdown]
# # Your own file
#
# `--input` takes a file or a folder; what it is, is told from what is there. First a file to play
# with: simulated cells, with raw counts in `X` and a column of types.

# %%
from scrcl.datasets import simulated_cells

adata = simulated_cells(n_obs=300, n_genes=400, n_types=4)
adata.obs = adata.obs.rename(columns={"cell_type1": "my_types"})
adata.write_h5ad("cells.h5ad")
adata

# %% language="bash"
# scrcl run --input cells.h5ad --n-clusters 4 --label-key my_types --epochs 10 --quiet
# scrcl list | tail -n 1

# %% [markdown]
# - **Counts** are looked for in `layers["counts"]`, `X` and `.raw`, in this order. Log-normalised
#   values work too; what was found is said.
# - **Labels** are optional. `--label-key` names the column to score against. It changes the scores and
#   nothing else.
# - **The number of clusters** is found unless `--n-clusters` gives it (`4`, or a range: `2:10`).

# %%
import json

with open("results/SC/cells/default/seed_0/metrics.json") as file:
    scores = json.load(file)
scores["label_free"]

# %% [markdown]
# ## Other formats
#
# `.h5` (10x, Cell BLAST, `X` and `Y`), `.loom`, `.rds`, `.csv` and `.tsv`, folders of 10x and Visium and
# `.zarr` are read in the same way, or made an `.h5ad` once by `scrcl convert`. In a table, genes are in
# rows or in columns. That is told from the names; `--genes rows` or `--genes columns` says it where they do not.

# %%
adata.to_df().astype(int).to_csv("counts.csv")

# %% language="bash"
# scrcl convert counts.csv new.h5ad

# %% [markdown]
# ## When something is wrong
#
# A fault of the input is one line: what was got, what was wanted, what to do. The exit code is 2, and
# nothing is written.

# %% language="bash"
# scrcl run --input gone.h5ad
# scrcl run --input cells.h5ad --label-key celltype --out elsewhere
# scrcl run --input cells.h5ad --set train.epochs=3
# scrcl spatial --input cells.h5ad
# scrcl run --input cells.h5ad || true
