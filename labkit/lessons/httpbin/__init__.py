"""The two httpbins: the one in Python, behind gunicorn, and the one in Go. What they say differs.

In Python headers and arguments are texts, in Go lists of texts; each has its own port, its own teapot, its
own way to tell an error.
"""
