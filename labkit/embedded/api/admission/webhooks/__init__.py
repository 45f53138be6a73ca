"""Webhooks: others who are asked before something is written.

A write is synchronous and must stay so (see :mod:`labkit.embedded.api.objects.verbs`), and a webhook is on
the network. So a write that needs an answer nobody has yet breaks off, before anything is stored, with
:class:`.journal.Unanswered`. Whoever began it asks outside of it, notes the answer in the write's journal,
and does the whole write again: from a fresh look at what is stored, as the real server's ``GuaranteedUpdate``
does it after a conflict. Answers to what has changed meanwhile are asked for again.

So it is over HTTP (:mod:`labkit.embedded.api.handlers`), and for controllers, whose reconciliation is done
again when the answer is there (:mod:`labkit.embedded.api.reviewed`). The cluster's other parts ask nobody.
Before a conversation with a pod begins (CONNECT: exec, attach, port-forward, proxy), both kinds are asked and
may refuse it; its options stay what the client asked for. A new ``scale`` is an update of its object;
mutating webhooks are not asked about deletions, of which there is nothing to change.
"""
