# %% [markdown]
# # First clusters
#
# 700 blood cells come with scanpy, so nothing is downloaded. One command reads them, trains, finds the
# number of clusters and writes everything into a folder. (Ten epochs here, to be quick; leave
# `--epochs` out for the default.)

# %% language="bash"
# scrcl run --epochs 10 --out results --quiet
# scrcl list --out results | tail -n 2

# %% [markdown]
# ## What a run leaves

# %% language="bash"
# cd results/SC/pbmc68k_reduced/default && find . -type f | sort

# %% [markdown]
# `result.h5ad` has everything in one file. It opens in scanpy, and the columns of the data are as they
# were.

# %%
import anndata as ad

adata = ad.read_h5ad("results/SC/pbmc68k_reduced/default/result.h5ad")
adata.obs[["scrcl", "scrcl_confidence"]].head()

# %% [markdown]
# Cells at the border of two clusters have a low confidence:

# %%
confidence = adata.obs.groupby("scrcl", observed=True)["scrcl_confidence"]
confidence.describe()[["count", "min", "50%"]]

# %% [markdown]
# These cells have labels, so the clusters were scored. The labels had no part in making them:
# see [which numbers to trust](../trust.md).

# %%
import pandas as pd

pd.crosstab(adata.obs["bulk_labels"], adata.obs["scrcl"])

# %% [markdown]
# ## Figures
#
# The run has drawn them; every one is also a function of an AnnData in `scrcl.pl`.

# %%
from IPython.display import Image

Image("results/SC/pbmc68k_reduced/default/figures/umap.png", width=700)

# %% [markdown]
# ## Marker genes

# %% language="bash"
# scrcl degs --out results 2> /dev/null
