"""What strangers send, made by the hundred from seeds."""
