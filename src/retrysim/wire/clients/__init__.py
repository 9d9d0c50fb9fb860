"""One file per HTTP client library: where it opens connections, and how it is led to the network in memory.

None of these files imports its library: each is handed the module when the library is there, or when it comes.
"""
