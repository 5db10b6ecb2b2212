"""A Hub on loopback: the part of the Hugging Face Hub's API that its own clients use, content-addressed on disk.

`running_hub` of `flows.hub_server.running` starts one; the other modules are its rooms, from the disk upwards:
objects, disk, names, patterns, repo, store, commits, discussions, views, files, lfs, faults, wire, app.
"""
