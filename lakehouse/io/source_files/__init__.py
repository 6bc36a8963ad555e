"""Published files: their formats, and the events of their rows."""

import csv

csv.field_size_limit(1 << 24)  # a field that is too long for an event is refused later, as a dead letter
