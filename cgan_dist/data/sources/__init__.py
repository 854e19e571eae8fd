"""Readers of published and private image sets; each module's `load(folder, split, **options)` returns a `Source`."""
