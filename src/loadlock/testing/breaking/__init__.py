"""Break a run at every place, in every way, and see that it comes right: the fault matrix and the soak.

    python -m loadlock.testing.breaking --out docs/reliability.md

Each trial is one command line of its own in a folder of its own, with a second process that looks at the target all the
time. Names: a `Place` is a destination of the trials, a `Cell` a place with a write mode, a `Fault` one way to break a run,
a `Trial` a fault at a place that the run passes (`loadlock.faults`).
"""
