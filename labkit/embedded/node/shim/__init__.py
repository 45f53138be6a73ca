"""What stands first on the path of a pod's Python: it does what iptables and resolv.conf do elsewhere."""
