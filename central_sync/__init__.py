"""From the lane's journal to the central registry: journal, photos, batches, courier, evidence, registry."""
