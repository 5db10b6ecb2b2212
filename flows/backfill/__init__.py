"""The same done for many versions of the past, resumable."""
