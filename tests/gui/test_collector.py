"""When Python's garbage is collected while the window is there."""

import gc
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject

from gui.collector import LIBRARY, PinnedCollector


@pytest.fixture
def collector(qapp: QObject) -> Iterator[PinnedCollector]:
    collector = PinnedCollector(QObject(qapp))
    yield collector
    collector.stop()
    collector.parent().deleteLater()


def test_that_what_an_import_leaves_is_not_looked_through_again_until_the_end(collector: PinnedCollector) -> None:
    collector.collect()
    assert gc.get_freeze_count() == 0
    library = [[] for _ in range(2 * LIBRARY)]
    collector.collect()
    assert gc.get_freeze_count() > LIBRARY
    collector.stop()
    assert gc.get_freeze_count() == 0
    assert len(library) == 2 * LIBRARY
