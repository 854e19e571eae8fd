"""From a config to objects: the only room that knows every registry, and so nothing is plugged in here.

`inputs` opens and checks the data, `networks` builds G, D and the objective, `step` hands them to Accelerate, `trainer`
builds a whole run; `saved` makes of a checkpoint what can be sampled, scored or gone on from; `dry_run` is
`cgan-dist check`.
"""
