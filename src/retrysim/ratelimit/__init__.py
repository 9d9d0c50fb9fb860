"""Limit algorithms behind one protocol, one per file, exact to the nanosecond; time is an argument."""
