"""AI photo review: verified weights, plate and VIN reading, scoring of claims, photo quality. It advises only."""
