"""Plug-ins and data to try things with; each is tested."""
