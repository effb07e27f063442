"""The peers: each a script that runs in an environment of its own, and the pins of that one.

In: streams as .npy (and .parquet, for tools that read tables). Out: alarms as JSON.
"""
