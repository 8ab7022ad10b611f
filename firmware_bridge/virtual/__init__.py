"""The other side of each device, and what stands before it: cars, photos and physics made by the project.

Everything here says that it is simulated: sources begin with ``virtual+``, photos carry a
visible mark and metadata.
"""

SOURCE = "virtual+chayan"
