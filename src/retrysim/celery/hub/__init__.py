"""Hosts kombu's event loop (``kombu.asynchronous.Hub``) on the simulation: the loop, its timer and its poller."""
