"""xDS: snapshots of one proxy's configuration, and the conversation that brings them to it.

``resources`` turns a snapshot's JSON into checked protobuf, ``conversation`` is the protocol (a state
machine without any input or output of its own), ``server`` carries it over gRPC.
"""
