"""A release: moving live traffic from one destination to another, by the weights of a rule.

``rule`` finds the rule that shares out a host's requests, reads its weights and changes nothing but
them; ``managers`` says whose rule it is, and leaves a controller's alone; ``health`` judges destinations
by what the mesh has seen of them, ``evidence`` says when that is enough; ``shift`` moves the weights step
by step, and puts the rule back as it was.
"""
