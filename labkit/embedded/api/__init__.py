"""The HTTP face of Kubernetes, in rooms of which each knows only those below it.

==================  ================================================================================
here                the server, what answers which path, and the same verbs for the cluster's own parts
``streams``         exec, attach, port-forward, logs, proxy
``describe``        discovery, OpenAPI, health
``objects``         verbs, lists, watches, writes; how objects are shown
``merge``           patches and server-side apply
``access``          who asks, and what they may do
``admission``       plug-ins that every API server has
``kinds``           a file each: all that is particular to a kind
``request``         path, query, body, forms and answers
``types``           the registry of what is served, schemas, decoding
``generated``       schemas and protobuf messages, out of published packages
==================  ================================================================================
"""
