"""What a learner did: noted as it happens, kept on the cluster, told in a report that can be verified.

::

    entries     one act each, as JSON: a check with what was observed, an answer, a release, a way gone
    outbox      entries on their way, a file each, where nothing can be lost
    shelf       one ConfigMap a learner, in a namespace of its own, which a class's teacher can read
    keeping     notes an act in the middle of a lesson, and brings it to the shelf in the background
    story       what the entries tell: which step somebody is at, what is done, where one is stuck
    report      all of it as a document, with the cluster's versions
    signature   the document's digests, signed by the cluster itself; and what a file's signature shows
    classroom   everybody's shelf, for whoever may read it
"""
