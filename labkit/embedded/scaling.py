"""How fast an autoscaler that does not say so grows and shrinks: ``autoscaling/v2``'s defaults."""

from __future__ import annotations

from labkit.embedded.objects import Obj

UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
"""Its window is the controller's: five minutes."""
