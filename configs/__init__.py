"""Rule tables, site examples and code tables: data with source, confidence and effective dates."""
