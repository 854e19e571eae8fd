"""Pictures and films for people to look at; nothing is plugged in.

`walk`, `sliders`, `directions` and `neighbours` are the commands of these names, `training_film` is `cgan-dist film`,
`contact_sheet` shows what is in shards. `picture_file` writes a picture as what its name ends in, `film` writes frames
as GIF or MP4.
"""
