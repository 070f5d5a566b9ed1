"""What of the stack needs root, whether it may have it, and how that is given and taken back."""
