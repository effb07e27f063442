"""Step 4, what stands behind a finding: which features moved the score, since when.

In: profiles, windows of codes, cells of labelled rows. Out: a surrogate of the score, ranked root
causes. Never: a decision; nothing is raised or cleared here.
"""
