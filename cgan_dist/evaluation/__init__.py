"""How good a generator is: what is scored, against which real images, by which metrics.

Plugged in are metrics (`metrics`, subclasses of `metrics.base.Metric`) and feature extractors (`features`, subclasses
of `features.base.Extractor`). `evaluator` does an evaluation; `candidates` are the images that it scores, `selection`
the real ones, `scoreboard` is `evaluation.json`.
"""
