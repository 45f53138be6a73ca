"""Bookinfo, the bookshop of Istio's lessons: one page from four services (https://istio.io/latest/docs/examples/bookinfo/).

``productpage`` asks ``details`` and ``reviews``; reviews of versions 2 and 3 ask ``ratings``.
"""
