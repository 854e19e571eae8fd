"""The loop, the step, and what is done between steps; nothing is plugged in.

`trainer` is the loop, `step` one iteration of the plan, `maintenance` logs, samples, evaluates and saves between
iterations. The rest serves these three: optimizer, ema, guard, meter, gauges, alarms, tracking, heap.
"""
