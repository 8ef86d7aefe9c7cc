"""Tables and figures of measurements."""
