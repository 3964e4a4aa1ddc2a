"""Parses metrics on stdin with the strict parser of the format that is named, and prints each family as a line."""

import sys

if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.type, family.name, len(family.samples))
