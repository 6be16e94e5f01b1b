"""Images to numbers: nuclei, droplets and vesicles per cell and their sizes, stained fractions, colocalisation.

The result `image_measurements` has the form of a table of measurements: one value per model, group and biological
replicate. Nothing is learnt from other images: thresholds and shapes only, with pictures to check what was counted.
"""

from __future__ import annotations

from rechallenge.assays.images.contract import IMAGES
from rechallenge.assays.images.measure import image_groups, image_measurements, image_overlays

__all__ = ["IMAGES", "image_groups", "image_measurements", "image_overlays"]
