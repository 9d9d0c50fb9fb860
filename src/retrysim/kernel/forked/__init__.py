"""A host that is a process of the machine, forked from the one that plays the simulation.

The child has a kernel of its own for its threads and waits. What it shares with the rest of the simulation is one pair
of sockets. The two take turns: the child asks, its parent answers, and while one of them runs, the other waits.
"""
