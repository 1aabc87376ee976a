# %% [markdown]
# # Cells not seen before
#
# A trained model puts new cells into its clusters. Here it learns from 500 of the blood cells that come
# with scanpy, and predicts the other 200. To see what happens to a type that it does not know, all B
# cells are kept out of the training.

# %%
# %matplotlib inline
import logging

import numpy as np
import pandas as pd

import scrcl

logging.getLogger("scrcl").setLevel(logging.ERROR)  # what it says comes below

cells = scrcl.datasets.pbmc68k_reduced()
order = np.random.default_rng(0).permutation(cells.n_obs)
known, new = cells[order[:500]], cells[order[500:]].copy()
known = known[known.obs["bulk_labels"] != "CD19+ B"].copy()

# %% [markdown]
# ## Train
#
# Labels play no part. `notes_` says what was found in the data:

# %%
model = scrcl.ScRCL(seed=0).fit(known)
model

# %%
model.notes_

# %%
known.obs["cluster"] = pd.Categorical(model.labels_)
scrcl.pl.confusion(pd.crosstab(known.obs["bulk_labels"], known.obs["cluster"]))

# %% [markdown]
# So this is what the clusters are. Note what they are not: several kinds of T cells share one, and no
# prediction can tell them apart afterwards. If you need them apart, give `n_clusters`, or train a model
# on the T cells alone.
#
# ## Predict

# %%
predicted = model.predict(new)
predicted.head()

# %% [markdown]
# `confidence` is the share of the nearest training cells that are in the cluster, less for a cell that
# lies far from all of them. Below the threshold a cell is `unknown`; `nearest` has its cluster even so.
# The threshold comes from the training cells alone:

# %%
print(f"unknown below {model.threshold_:.3f}")
table = pd.crosstab(new.obs["bulk_labels"], predicted["cluster"])
groups = predicted["confidence"].groupby(new.obs["bulk_labels"], observed=True)
table.assign(confidence=groups.mean().round(2))

# %% [markdown]
# Look at the B cells: many are `unknown`, and the others are put where they do not belong. **A cell that
# is not called unknown may still be of a type that the model never saw**; in the
# [measured cases](../new_cells.md) far fewer of them were noticed than here. A stricter threshold
# catches a few more, at the price of known cells. Shares called unknown:

# %%
is_b = (new.obs["bulk_labels"] == "CD19+ B").to_numpy()
rows = {}
for limit in (model.threshold_, 0.95):
    stricter = model.predict(new, unknown_below=limit)
    doubted = (stricter["cluster"] == "unknown").to_numpy()
    shares = {"B cells": doubted[is_b].mean(), "others": doubted[~is_b].mean()}
    rows[f"{limit:.2f}"] = shares
pd.DataFrame(rows).T.rename_axis("unknown below").round(2)

# %% [markdown]
# ## Genes that are missing
#
# Genes are matched by name. `match_genes` says what new data lack; here, a panel with a part of the
# genes:

# %%
everything = new.raw.to_adata()
some = np.random.default_rng(1).permutation(everything.n_vars)[:500]
panel = everything[:, some]
print(model.match_genes(panel))

# %%
from_panel = model.predict(panel)
agree = from_panel["nearest"].astype(str) == predicted["nearest"].astype(str)
f"{agree.mean():.0%} of the cells are put as with all genes"

# %% [markdown]
# With fewer than 40 % of the genes, prediction is refused rather than guessed:

# %%
try:
    model.predict(panel[:, :200])
except scrcl.InputError as error:
    print(error)

# %% [markdown]
# ## Save and load
#
# A model is a folder with text and numbers. Loading it never runs code. The seeds of a
# [run folder](first_clusters.md) have one each, too: `seed_0/model`.

# %%
model.save("blood_model")
again = scrcl.ScRCL.load("blood_model")
again.predict(new).equals(predicted)

# %% [markdown]
# ## When not to trust it
#
# - **Types that share a cluster stay together.** On PBMC3k, where four clusters were found, methods that
#   were told the labels are far ahead.
# - **New types** are mostly put into the cluster that they are most like; few of them come out as unknown.
# - **Another condition or technology** moves all cells. Look at the share of unknown cells and at the
#   mean confidence first: if they are much worse than for cells of the training, train anew with both,
#   and `batch_key`.
# - **Few genes**: look at `match_genes`.
#
# [New cells](../new_cells.md) has the method and measured accuracies for each of these cases, next to
# methods that know the labels.
