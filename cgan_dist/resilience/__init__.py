"""What keeps a long run alive: orderly stops, returns to a checkpoint, and an end to what hangs.

Nothing is plugged in. `preemption` gathers every reason to stop, `rollback` keeps the book of returns, `watchdog` ends
a process whose step never comes back, `note` writes small files that outlive a power cut.
"""
