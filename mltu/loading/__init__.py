"""From samples to batches: what :class:`mltu.dataProvider.DataProvider` uses.

`batches` plans an epoch, `loader` makes a batch, `cache` keeps preprocessed samples, `workers` load ahead in threads
or processes, `shared_memory` is where processes find the cache, and `record` counts and times. Worker processes import
all but the first and the last, which therefore import nothing slow.
"""
