"""Pod addresses: each pod has one of its own, kept as long as it lives, not given again at once."""

from __future__ import annotations

import ipaddress

from labkit.embedded.addresses import pod_network

FIRST = 2  # .0.1 would be a bridge's address on a real node


class PodAddresses:
    """Addresses of one node, handed out in a circle."""

    def __init__(self, block: int) -> None:
        self._network = pod_network(block)
        self._owners: dict[str, str] = {}
        self._next = FIRST

    def keep(self, address: str, owner: str) -> bool:
        """Give *owner* the *address* it had before; False where it is not ours to give, or taken."""
        try:
            number = int(ipaddress.IPv4Address(address)) - int(self._network.network_address)
        except ValueError:
            return False
        if not FIRST <= number < self._network.num_addresses or self._owners.get(address, owner) != owner:
            return False
        self._owners[address] = owner
        self._next = max(self._next, number + 1)
        return True

    def take(self, owner: str) -> str:
        """A free address for *owner*."""
        for _ in range(self._network.num_addresses):
            address = str(self._network[self._next % self._network.num_addresses])
            self._next += 1
            if address.rpartition(".")[2] not in ("0", "255", "1") and address not in self._owners:
                self._owners[address] = owner
                return address
        raise RuntimeError(f"all pod addresses of {self._network} are taken")

    def release(self, address: str) -> None:
        """*address* is free again."""
        self._owners.pop(address, None)
