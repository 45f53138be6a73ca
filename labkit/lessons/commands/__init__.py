"""Commands that one types in a pod, for machines that have none of their own: same options, same words."""
