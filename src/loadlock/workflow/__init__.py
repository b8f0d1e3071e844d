"""The one place that joins the stages: what the commands and the Python API call."""
