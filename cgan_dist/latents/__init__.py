"""Images as an autoencoder sees them: what is kept of them in shards, what networks train on, and the way back.

Nothing is plugged in. `facts` is what a manifest says, `stored` the bytes of shards, `autoencoder_folder` what lies on
disk and what of it is believed, `autoencoder` the network, `latent_range` stands where a range of pixels stands else.
"""
