"""Readers of published and private image sets; each returns a `LabelledImages`."""
