"""make chaos: seeded faults of many kinds against real processes; nothing may be lost, doubled or changed."""
