"""From files to what the network sees: readers, checks, preprocessing, graphs.

Nothing in here looks at labels, except :mod:`scrcl.data.labels`, which only finds them.
The modules are imported one by one, so that a graph does not cost an import of scanpy.
"""
