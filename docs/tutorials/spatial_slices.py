# %% [markdown]
# # Domains of a tissue
#
# The spots of one slice are put into domains, then those of two slices together. The tissue is
# simulated: wavy bands of spots, cut into a left and a right slice. The right one has its own
# positions and half the depth of sequencing, as two experiments would.

# %%
# %matplotlib inline
import anndata as ad
import numpy as np
import pandas as pd

import scrcl

tissue = scrcl.datasets.simulated_tissue(n_obs=800, n_genes=2000, n_domains=5)
x = tissue.obsm["spatial"][:, 0]
is_left = x < np.median(x)
left, right = tissue[is_left].copy(), tissue[~is_left].copy()

right.obsm["spatial"] -= [np.median(x), 0]
counts = right.X.data.astype(int)
kept = np.random.default_rng(0).binomial(counts, 0.5)
right.X.data = kept.astype(np.float32)

# %% [markdown]
# ## One slice
#
# `spatial=True` asks for domains. Positions are in `obsm["spatial"]`, in any unit. The number of
# domains is found.

# %%
scrcl.cluster(left, spatial=True)
scrcl.pl.spatial_domains(left, ["scrcl", "domain"])

# %% [markdown]
# The band that was simulated is in `obs["domain"]`. It took no part, so it can be used to score:

# %%
scrcl.metrics.score(left.obs["domain"], left.obs["scrcl"])

# %% [markdown]
# Without labels there are other things to look at. How sure is each spot of its domain?

# %%
scrcl.pl.spatial_confidence(left)

# %% [markdown]
# And how clear was the number of domains? The object behind `cluster` keeps the curve. A sharp peak, as
# here, is a simulated tissue; [a flat one](../trust.md) says that several numbers are as good.

# %%
model = scrcl.ScRCL(task="st").fit(left)
scrcl.pl.n_clusters_curve(model.found_.clustering.curve)

# %% [markdown]
# If you know the number, give it, or a range: `scrcl.cluster(left, 5, spatial=True)` or
# `n_clusters=(4, 8)`.

# %% [markdown]
# ## Two slices together
#
# Put the slices into one AnnData, with a column that tells them apart, and name it as `slice_key`.
# Spots are linked within a slice only, so positions may overlap. The domains are shared: a number means
# the same in both.

# %%
both = ad.concat({"left": left, "right": right}, label="slice")
scrcl.cluster(both, spatial=True, slice_key="slice")
scrcl.pl.spatial_domains(both, slice_key="slice")

# %%
pd.crosstab([both.obs["slice"], both.obs["domain"]], both.obs["scrcl"])

# %% [markdown]
# Joint domains are for slices of one kind of tissue. If two slices have nothing in common, cluster them
# one by one.
#
# ## A slice that the model has not seen
#
# A fitted model puts new spots into its domains. They are smoothed on a graph of their own.
# More in [cells not seen before](new_cells.md).

# %%
new = model.predict(right)
pd.crosstab(right.obs["domain"], new["cluster"])

# %% [markdown]
# ## The same as commands
#
# `scrcl spatial` is `runST.py`. Several files are several slices that share their domains; `--slice-key`
# is for one file that has them all.

# %%
left.write_h5ad("left.h5ad")
right.write_h5ad("right.h5ad")

# %% language="bash"
# scrcl spatial --input left.h5ad right.h5ad --no-report --quiet
# scrcl list | tail -n 1
# ls results/ST/left+right/default/figures

# %% [markdown]
# The same call takes Visium folders, with their histology image behind the spots:
#
# ```sh
# python runST.py --input slice_1/ slice_2/ --n-clusters 7
# ```
#
# How spots are linked is [a key](../configuration.md): `--set data.spatial_graph=delaunay`, or `radius`,
# `nearest`, `stored`. What these defaults reach on real slices, and where they fail, is in
# [how they were found](../research.md).
