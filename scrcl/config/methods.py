"""The clustering methods by name: the one list that the configuration, the flags and the docs read.

Each entry says where the method is. It is imported when it is first used, because a configuration is
read, and ``--help`` printed, without what clustering needs. `scrcl.methods` says what a method is.
"""

METHODS = {
    "consensus": "scrcl.methods.consensus:Consensus",
    "domains": "scrcl.methods.domains:Domains",
    "kmeans": "scrcl.methods.kmeans:PaperKMeans",
}
