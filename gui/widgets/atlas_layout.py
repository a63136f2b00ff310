"""Where every head's picture stands in the atlas: pure geometry, no painting and no state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from PySide6.QtCore import QPoint, QRect, QSize

from engine.model.config import HeadRef
from gui.theme import Role, Theme

SMALLEST_PICTURE, LARGEST_PICTURE = 48, 240  # px at 100 %; below the smallest the atlas scrolls
NARROW_PICTURE = 30  # a whole layer in sight is worth pictures down to this


@dataclass(frozen=True)
class Badge:
    """A few words on what a head does ("ind 0.91"), the colour of its role, a sentence for the tooltip."""

    text: str
    role: Role = "none"
    tip: str = ""


@dataclass(frozen=True)
class AtlasLayout:
    """Cards in a grid: by layer (the lowest at the bottom), or in `order` from the top left when that is given."""

    layers: range
    heads: int
    order: tuple[HeadRef, ...] | None
    side: int  # of a picture
    columns: int
    padding: int
    label: int  # height of the line under a picture
    gap: int
    gutter: int  # for "layer 1" at the left

    @classmethod
    def fitted(
        cls,
        layers: range,
        heads: int,
        order: tuple[HeadRef, ...] | None,
        room: QSize,
        zoom: float,
        theme: Theme,
    ) -> AtlasLayout:
        """The largest pictures whose cards fit `room` in width and, down to the smallest, in height."""
        padding, label, gap = theme.px(4), theme.px(18), theme.px(8)
        gutter = theme.px(24) if order is None else theme.px(2)
        width = room.width() - gutter
        smallest, largest = theme.px(SMALLEST_PICTURE), theme.px(LARGEST_PICTURE)

        def side_with(columns: int) -> int:
            rows = max(1, len(layers) if order is None else -(-len(order) // columns))
            by_width = width // columns - 2 * padding - gap
            by_height = room.height() // rows - padding - label - gap
            return min(by_width, max(by_height, smallest), largest)

        columns = max(1, heads)
        if order is not None:  # of equal pictures the widest grid: it scrolls least
            most = max(1, min(len(order), width // (smallest + 2 * padding + gap)))
            columns = max(range(1, most + 1), key=lambda number: (side_with(number), number))
        narrow = width // columns - 2 * padding - gap
        least = min(smallest, narrow) if order is None and narrow >= theme.px(NARROW_PICTURE) else smallest
        side = round(max(side_with(columns), least) * zoom)
        return cls(layers, heads, order, side, columns, padding, label, gap, gutter)

    @cached_property
    def refs(self) -> tuple[HeadRef, ...]:
        """Every head shown, top left to bottom right."""
        if self.order is not None:
            return self.order
        return tuple(HeadRef(layer, head) for layer in reversed(self.layers) for head in range(self.heads))

    @cached_property
    def index(self) -> dict[HeadRef, int]:
        return {ref: index for index, ref in enumerate(self.refs)}

    @cached_property
    def rows(self) -> int:
        return -(-len(self.refs) // self.columns)

    @cached_property
    def card_size(self) -> QSize:
        return QSize(self.side + 2 * self.padding, self.side + self.padding + self.label)

    @cached_property
    def pitch(self) -> QSize:
        return self.card_size + QSize(self.gap, self.gap)

    @property
    def size(self) -> QSize:
        """Of the whole grid."""
        return QSize(
            self.gutter + self.columns * self.pitch.width(),
            self.rows * self.pitch.height(),
        )

    def card(self, ref: HeadRef) -> QRect:
        """The head's card; empty when it is not shown."""
        index = self.index.get(ref)
        if index is None:
            return QRect()
        row, column = divmod(index, self.columns)
        x = self.gutter + column * self.pitch.width() + self.gap // 2
        y = row * self.pitch.height() + self.gap // 2
        return QRect(x, y, self.card_size.width(), self.card_size.height())

    def picture(self, card: QRect) -> QRect:
        return QRect(card.left() + self.padding, card.top() + self.padding, self.side, self.side)

    def head_at(self, x: int, y: int) -> HeadRef | None:
        column = (x - self.gutter) // self.pitch.width()
        row = y // self.pitch.height()
        if not (0 <= column < self.columns and row >= 0):
            return None
        index = row * self.columns + column
        if not 0 <= index < len(self.refs):
            return None
        ref = self.refs[index]
        return ref if self.card(ref).contains(x, y) else None

    def _ranges(self, area: QRect) -> tuple[range, range]:
        """Rows and columns that touch `area`."""
        wide, high = self.pitch.width(), self.pitch.height()
        left, right = (area.left() - self.gutter) // wide, (area.right() - self.gutter) // wide
        rows = range(max(0, area.top() // high), min(self.rows, area.bottom() // high + 1))
        return rows, range(max(0, left), min(self.columns, right + 1))

    def within(self, area: QRect) -> list[tuple[HeadRef, QRect]]:
        """The heads whose cells touch `area`, with their cards."""
        rows, columns = self._ranges(area)
        wide, high, size, half = self.pitch.width(), self.pitch.height(), self.card_size, self.gap // 2
        found = []
        for row in rows:
            for column in columns:
                index = row * self.columns + column
                if index < len(self.refs):
                    corner = QPoint(self.gutter + column * wide + half, row * high + half)
                    found.append((self.refs[index], QRect(corner, size)))
        return found

    def blocks(self, area: QRect) -> list[QRect]:
        """The cells that touch `area` as one rectangle, and a second for a last row that is not full."""
        rows, columns = self._ranges(area)
        full = len(self.refs) // self.columns
        wide, high = self.pitch.width(), self.pitch.height()
        blocks = []
        for some, last in (
            (range(rows.start, min(rows.stop, full)), self.columns),
            (range(max(rows.start, full), rows.stop), len(self.refs) % self.columns),
        ):
            across = min(columns.stop, last) - columns.start
            if len(some) and across > 0:
                left = self.gutter + columns.start * wide
                blocks.append(QRect(left, some.start * high, across * wide, len(some) * high))
        return blocks

    def neighbour(self, ref: HeadRef, right: int, down: int) -> HeadRef:
        """The head that many cards away; the same one at the edge."""
        row, column = divmod(self.index[ref], self.columns)
        column = min(max(column + right, 0), self.columns - 1)
        row = min(max(row + down, 0), self.rows - 1)
        return self.refs[min(row * self.columns + column, len(self.refs) - 1)]
