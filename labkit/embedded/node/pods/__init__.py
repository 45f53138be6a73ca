"""One pod: its containers in order, its status, what clients ask of it (``exec``, ``log``)."""
