"""Pictures for people: annotated pages, sheets of samples, curves of a run, charts of a report."""
