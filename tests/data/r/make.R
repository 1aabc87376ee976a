# Makes the R objects of tests/data/test_rds.py. Needs R with SingleCellExperiment and Biobase:
#   cd tests/data/r && Rscript make.R
suppressMessages({library(SingleCellExperiment); library(Biobase); library(Matrix)})
counts <- matrix(
  c(2L, 2L, 3L, 5L, 2L, 5L, 6L, 4L, 3L, 1L, 2L, 1L, 4L, 2L, 4L, 3L, 4L, 8L, 2L, 4L), 5, 4,
  dimnames = list(paste0("gene", 1:5), paste0("cell", 1:4)))
cells <- DataFrame(
  cell_type1 = factor(c("a", "b", "a", NA)), total = c(1.5, 2, 3, 4), id = c("x", "y", "z", "w"),
  flag = c(TRUE, FALSE, NA, TRUE), row.names = colnames(counts))
genes <- DataFrame(feature_symbol = rownames(counts), row.names = rownames(counts))

dense <- SingleCellExperiment(
  assays = list(logcounts = log2(counts + 1), counts = counts), colData = cells, rowData = genes)
saveRDS(dense, "sce_dense.rds")
sparse <- SingleCellExperiment(assays = list(counts = as(counts, "CsparseMatrix")), colData = cells)
saveRDS(sparse, "sce_sparse.rds")

# The class of scater before SingleCellExperiment.
setClass("SCESet", contains = "ExpressionSet", representation(logExprsOffset = "numeric"))
sceset <- new("SCESet",
  assayData = assayDataNew("lockedEnvironment", exprs = log2(counts + 1), counts = counts),
  phenoData = new("AnnotatedDataFrame", data = as.data.frame(cells)),
  featureData = new("AnnotatedDataFrame", data = as.data.frame(genes)), logExprsOffset = 1)
saveRDS(sceset, "sceset.rds")

saveRDS(list(counts = counts, cell_type1 = c("a", "b", "a", "b"), other = 1:7), "list.rds")
saveRDS(counts, "matrix.rds")
saveRDS(lm(dist ~ speed, cars)$coefficients, "vector.rds")
saveRDS(list(only = "text"), "no_matrix.rds")
