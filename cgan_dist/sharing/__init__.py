"""What others load: a model folder, its graphs, its card, and the Hub; nothing is plugged in.

`pretrained` has the `Generator` that `from cgan_dist import Generator` gives, `export` writes the folder, `config`,
`scores` and `card` are what stands in it beside the weights, `graphs` are ONNX and torch.export, `hub` sends and
fetches.
"""
