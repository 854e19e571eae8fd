"""What is conditioned on, and how a network takes it: three kinds of plug-in, a folder for each.

`spaces` turn labels into conditions (`condition.Condition`); `generator` and `discriminator` hold the ways into the
two networks, any number of which can be combined.
"""
