"""What several benchmarks share: the records of a visit, and a real registry in a process of its own."""
