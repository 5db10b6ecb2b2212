"""The gates of a release, by what they look at; checks.py asks them all."""
