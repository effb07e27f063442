"""Does Plumbline tell true alarms from false ones? One table, the same streams for all.

    python -m bench.detection [--quick] [--only PART ...] [--who NAME ...] [--jobs N]

In: generated and real streams whose change is known. Out: false alarms per million events, share
caught and delay of Plumbline's own pipeline and of its peers from PyPI, in `bench/DETECTION.md`.
Never: a setting that no user has, or a stream that only one of them sees.
"""
