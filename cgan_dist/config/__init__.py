"""The YAML config, and the words that all its sections are made of.

`document` loads and checks a whole config; `sections`, `training` and `watching` have every key, made of `values`. A
part that takes a plug-in names it by a short name or by `package.module:attribute`; `registry` turns names into
objects, and each room that takes plug-ins has its table in its `__init__`.
"""
