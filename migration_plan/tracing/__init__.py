"""A switch as spans, for an OpenTelemetry collector."""
