"""AI photo review: verified weights, plates and VINs, scored claims, photo quality. It advises only."""
