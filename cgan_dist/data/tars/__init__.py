"""WebDataset tars that others wrote: found, walked and read by offset, never unpacked, their members never a path."""
