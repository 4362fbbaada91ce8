"""Autobahn's fuzzing client against this project's own connection: `python -m tests.tools.autobahn`."""
