"""Tables of Parquet and Arrow, as the `datasets` library and the Hugging Face Hub have them, read by PyArrow alone."""
