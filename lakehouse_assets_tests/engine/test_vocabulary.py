"""What a domain file may import is pinned: a word that goes, or comes, is meant."""

from __future__ import annotations

import inspect

from lakehouse_assets import engine

WORDS = """
Cluster Column Daily Domain ExistingCluster Expectation Serverless TableCheck Watermark append avro between canal
debezium drop extract fail files history http kafka lookup matches maxwell merge not_null null_share one_of reconciled
references refresh replace snapshots sql_table table typed up_to_date volume warn windows
Jar Job Notebook SqlFile external_table task_table
as_of features sql_features
cosmos kafka_topic postgres sink
alert
AtRandom ByFlag ByGroup ByTime Choice Drift FeatureLookup Quality Gate Metric Range Search Training model score
"""


def test_the_vocabulary_is_what_it_was() -> None:
    assert sorted(engine.__all__) == sorted(WORDS.split())


def test_each_word_says_what_it_means() -> None:
    for name in engine.__all__:
        assert inspect.getdoc(getattr(engine, name)), name
