"""The central side: accept batches any number of times, find any inspection, prove it."""
