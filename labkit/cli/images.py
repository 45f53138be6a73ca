"""``--image-prefix``: where the images of the lab's own services are, for commands that open the lab."""

from __future__ import annotations

import click

option = click.option(
    "--image-prefix", help="Where the lab's own images are: PREFIXlabkit-services for every service."
)


def environment(image_prefix: str | None) -> dict[str, str]:
    """What kernels are told of it."""
    return {"LABKIT_IMAGES": image_prefix} if image_prefix else {}
