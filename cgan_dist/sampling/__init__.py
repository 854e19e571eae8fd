"""Images from one generator, every z a function of (seed, purpose, position); nothing is plugged in.

`sampler` draws batches and grids, `truncation` holds z near 0, `interpolation` goes from one z or label to the next.
"""
