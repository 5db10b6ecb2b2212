"""What a release says of itself: its card, changelog, credits, statistics, plots and Croissant description."""
