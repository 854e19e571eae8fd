"""Processes: no other room knows how ranks speak with each other; nothing is plugged in.

Networks are called through their DDP wrapper only while they are trained; the other network is raw and frozen, so a D
step reduces D's gradients and nothing else.
"""
