"""What our own services' processes find on their PYTHONPATH; supervisors use two modules of it, too."""
