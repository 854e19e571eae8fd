"""Directions in z along which a generator's images change; nothing is plugged in.

`factorization` finds them in G's weights, `regression` by what a classifier reads, `directions_file` keeps them.
"""
