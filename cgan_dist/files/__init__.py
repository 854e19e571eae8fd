"""How files are written into folders that other people may have made: whole, and never through a link.

`described` also reads safetensors with facts, whoever wrote them.
"""
