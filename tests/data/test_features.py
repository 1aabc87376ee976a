import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scrcl._validate import InputError
from scrcl.data.bare import bare
from scrcl.data.expression import log_expression
from scrcl.data.features import choose_features, feature_types

OTHERS = {
    "antibodies": [
        "CD3_TotalSeqB", "ADT-CD4", "adt_CD8", "anti-CD19", "Anti-Human CD56", "CD45RA-ADT",
        "CD3:UCHT1|CD3E|AHS0231|pAbO", "prot_CD4",
    ],
    "hashtags": ["HTO-1", "HTO_A0251", "HTO1", "Hashtag1", "hashtag_3", "CMO301"],
    "guides": ["sgRNA_TP53_1", "TP53_sgRNA2", "sgTP53-1", "Non-Targeting_3"],
    "peaks": ["chr1:100-200", "chrX-5000-5600", "chr10_5_77", "GL000194.1-100-200", "1:3000-3500"],
    "control probes": [
        "NegPrb3", "Negative7", "SystemControl12", "BLANK_0001", "Blank-12", "NegControlProbe_00042",
        "NegControlCodeword_0500", "antisense_ULK3", "UnassignedCodeword_0012",
        "DeprecatedCodeword_0300", "blank1",
    ],
    "spike-ins": ["ERCC-00002", "ERCC_00171", "SIRV1"],
    "counters": ["__no_feature", "N_unmapped"],
}  # fmt: skip
# Real genes that look a little like these.
REAL = [
    "ERCC1", "ERCC6L2", "ADTRP", "Negr1", "NEGR1", "HTR1A", "Antxr1", "ABCA1", "Ab2", "MT-CO1",
    "HLA-A", "CD3D", "CMO", "sgk1", "Sgk1", "PROT1", "chrna1", "CHRM3", "H2-Ab1", "NKX2-1", "Nt5e",
    "ANTXR2", "BLNK", "1700001C19Rik", "Y_RNA", "RP11-206L10.2", "FO538757.1", "SGCA", "NEG", "PEAK1",
    "ENSG00000100000", "Gm1992", "unc-13", "Hash", "intergenic", "C1orf112-AS1", "NTRK1",
]  # fmt: skip


def var(names, **columns) -> pd.DataFrame:
    return pd.DataFrame(columns, index=list(names))


@pytest.mark.parametrize("kind", OTHERS)
def test_names_that_no_gene_has_tell_what_a_feature_is(kind):
    assert feature_types(var(OTHERS[kind])).tolist() == [kind] * len(OTHERS[kind])


def test_genes_stay_genes_whatever_they_are_called():
    assert feature_types(var(REAL)).tolist() == ["genes"] * len(REAL)


@pytest.mark.parametrize(
    ("column", "genes", "other", "kind"),
    [
        ("feature_types", "Gene Expression", "Antibody Capture", "antibodies"),
        ("feature_type", "gene", "CRISPR Guide Capture", "guides"),
        ("modality", "rna", "prot", "antibodies"),
        ("Feature.Type", "Gene Expression", "Multiplexing Capture", "hashtags"),
        ("feature_types", "GEX", "Peaks", "peaks"),
        ("feature_types", "Gene Expression", "Negative Control Codeword", "control probes"),
        ("CodeClass", "Endogenous", "Negative", "control probes"),
        ("feature_biotype", "gene", "spike-in", "spike-ins"),
        ("feature_types", "Gene Expression", "Custom", "custom features"),
    ],
)
def test_a_column_that_says_what_features_are_is_believed(column, genes, other, kind):
    types = feature_types(var("ABC", **{column: pd.Categorical([genes, other, genes])}))
    assert types.tolist() == ["genes", kind, "genes"]


def test_what_is_left_out_is_said_once_and_other_types_can_be_chosen():
    mixed = var(["CD3D", "CD3E", "x", "y", "z"])
    mixed["feature_types"] = ["Gene Expression"] * 2 + ["Antibody Capture"] * 2 + ["Peaks"]
    notes: list[str] = []
    assert choose_features(mixed, "genes", notes).tolist() == [True, True, False, False, False]
    assert notes == [
        "features: 2 genes used, 2 antibodies, 1 peak left out (--features, data.features)"
    ]
    assert choose_features(mixed, "all", notes).all()
    for name in ("antibodies", "Antibody Capture"):
        assert choose_features(mixed, name, notes).tolist() == [False, False, True, True, False]
    assert choose_features(mixed, "genes+peaks", notes).tolist() == [True, True, False, False, True]


def test_antibodies_alone_are_refused_with_what_to_do():
    only = var("AB", feature_types="Antibody Capture")
    with pytest.raises(
        InputError, match=r"got 2 antibodies, wanted genes.*--features 'antibodies'"
    ):
        choose_features(only, "genes", [])


def mixed_cells() -> ad.AnnData:
    """Four genes and two antibodies: CD4 is the name of one of each."""
    counts = np.arange(1, 31).reshape(5, 6).astype(float)
    adata = ad.AnnData(counts, var=var(["CD4", "CD8A", "MS4A1", "NKG7", "CD4", "CD8"]))
    adata.var["feature_types"] = ["Gene Expression"] * 4 + ["Antibody Capture"] * 2
    adata.layers["counts"] = counts
    adata.raw = adata
    return adata


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_only_genes_reach_the_method_from_every_matrix():
    adata = mixed_cells()
    cells = bare(adata)
    assert cells.var_names.tolist() == ["CD4", "CD8A", "MS4A1", "NKG7"]
    assert cells.raw.shape == cells.layers["counts"].shape == cells.shape == (5, 4)
    assert adata.shape == (5, 6)
    # Totals are those of the genes.
    totals = np.expm1(log_expression(adata).X.toarray()).sum(1)
    assert np.allclose(totals, 1e4)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_what_was_chosen_stays_chosen():
    cells = log_expression(mixed_cells(), features="all")
    assert log_expression(cells).n_vars == 6
    assert cells.var_names.tolist()[-2:] == ["CD4-1", "CD8"]


@pytest.mark.filterwarnings("ignore:.*names are not unique")
@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_types_that_only_x_knows_hold_for_raw():
    adata = mixed_cells()
    adata.raw = ad.AnnData(adata.X, var=adata.var[[]])
    assert bare(adata).raw.shape == (5, 4)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_a_backed_file_gives_its_genes(tmp_path):
    adata = mixed_cells()
    adata.var_names_make_unique()
    adata.raw = None
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert bare(backed).shape == (5, 4)
    backed.file.close()


def test_a_column_of_any_name_that_says_nothing_else_is_believed():
    names = ["CD3D", "IL7R", "P1", "LYZ"]
    said = var(names, kind=["Gene Expression", "Gene Expression", "Antibody Capture", None])
    assert feature_types(said).tolist() == ["genes", "genes", "antibodies", "genes"]
    said = var(names, type=pd.Categorical(["RNA", "RNA", "ADT", "RNA"]))
    assert feature_types(said).tolist() == ["genes", "genes", "antibodies", "genes"]


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(["rna", "protein", "protein", "protein"], id="what genes make"),
        pytest.param(["gene", "negative", "positive", "gene"], id="further words"),
        pytest.param(["control", "control", "control", "control"], id="no gene at all"),
        pytest.param([1, 2, 3, 4], id="numbers"),
    ],
)
def test_a_column_of_any_name_that_says_something_else_is_not(column):
    said = var(["CD3D", "IL7R", "P1", "LYZ"], status=column)
    assert feature_types(said).tolist() == ["genes"] * 4
