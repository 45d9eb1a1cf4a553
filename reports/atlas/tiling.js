// Where tiles stand on a canvas, and which of a tile's pixels show which cells.

const GAP = 3, LABEL = 13  // pixels between tiles, and of the number above one and its outline
const LARGEST_TILE = 260, SMALLEST_TILE = 6

// So many tiles in columns and rows, as large as they can be; near squares are the easiest to compare.
function tiling(n, width, height, net) {
  const best = {columns: 1, rows: Math.max(n, 1), side: -Infinity}
  for (let columns = 1; columns <= Math.max(n, 1); columns++) {
    const rows = Math.ceil(Math.max(n, 1) / columns)
    const side = Math.min(width / columns - GAP, height / rows - GAP - LABEL)
    if (side > best.side) Object.assign(best, {columns, rows, side})
  }
  const {columns, rows} = best
  const slot_width = Math.floor(Math.min((width - 1) / columns, LARGEST_TILE + GAP))
  const slot_height = Math.floor(Math.min(height / rows, LARGEST_TILE + GAP + LABEL))
  const across = pixels(slot_width - GAP - 2, net.delay.length)  // 2: its frame
  const up = pixels(slot_height - GAP - LABEL - 2, net.n_source)
  return {columns, rows, slot_width, slot_height, across, up}
}

// How so many cells share the pixels of a side: where there are fewer pixels than cells, several cells share one.
function pixels(room, n_cell) {
  const size = Math.max(room, SMALLEST_TILE)
  return {size, n_cell, shown: Math.min(size, n_cell)}
}

function shown_of_cell(side, cell) {
  return Math.floor(cell * side.shown / side.n_cell)
}

function first_pixel(side, shown) {
  return Math.ceil(shown * side.size / side.shown)
}

function shown_of_pixel(side, pixel) {
  return Math.floor(pixel * side.shown / side.size)
}

// Upper left corner of a tile's cells, inside its frame.
function corner(grid, index) {
  const column = index % grid.columns, row = Math.floor(index / grid.columns)
  return [column * grid.slot_width + 2, row * grid.slot_height + LABEL + 1]
}

// The tile under a point of the canvas, -1 between tiles.
function tile_at(grid, n, x, y) {
  const column = Math.floor(x / grid.slot_width), row = Math.floor(y / grid.slot_height)
  const index = row * grid.columns + column
  if (column < 0 || column >= grid.columns || row < 0 || index >= n) return -1
  const [left, top] = corner(grid, index)
  const inside = x >= left && x < left + grid.across.size && y >= top && y < top + grid.up.size
  return inside ? index : -1
}
