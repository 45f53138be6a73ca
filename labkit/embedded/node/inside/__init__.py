"""What a program finds inside a pod, whatever it is made of: the pod's network and the pod's files.

For every program that is not a service of ours (which has the shim, :mod:`labkit.embedded.node.shim`):
a command of ``kubectl exec``, a shell and what it starts, an image's own program. A process of ours, the
*supervisor*, starts it and stays its parent:

* ``seccomp``     the kernel holds certain calls of the program back and asks the supervisor about them
* ``network``     connections, addresses and names, as in a container of that pod
* ``brief``       connections that the sidecar ends at once
* ``resolver``    the cluster's DNS, for programs that bring a resolver of their own
* ``files``       a mount namespace, where the host lets us have one
* ``paths``       else, the paths that calls name, translated
* ``supervisor``  all that around one program, to its end

None of it needs root, a network namespace, or a program that is asked first. Imported by processes that
start all the time, so it imports nothing but the standard library.
"""
