"""The reference profile: built from a data file, with its audit and calibration."""
