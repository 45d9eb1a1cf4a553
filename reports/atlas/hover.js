// What the hover tool says of the pixel of a field.

function told_of_tile(atlas, x, y, what) {
  const {tiles, grid, net} = atlas
  const index = tile_at(grid, tiles.length, x, y)
  if (index < 0) return "–"
  const [left, top] = corner(grid, index)
  return told(net, tiles[index], what, x - left, y - top, grid.across, grid.up)
}

function told_of_field(atlas, x, y, what) {
  const {net, step, neuron} = atlas
  const {x: left, y: low, dw, dh} = plane_place(net)
  const cells = (n) => ({size: n, n_cell: n, shown: n})  // as if each were a pixel
  const across = cells(net.delay.length), up = cells(net.n_source)
  const right = (x - left) / dw * across.size, down = (1 - (y - low) / dh) * up.size
  return told(net, {step, target: neuron}, what, right, down, across, up)
}

function told(net, {step, target}, what, x, y, across, up) {
  const of_neuron = what == "morans_i" || what == "p_value"
  if (of_neuron) return what in net.numbers ? said(number_of(net, what, step, target)) : "not given"
  const sources = cells_of_pixel(up, up.size - 1 - Math.floor(y)), delays = cells_of_pixel(across, Math.floor(x))
  const {row, n_row} = strongest_in(net, step, target, sources, delays)
  if (what == "weight") return row < 0 ? "no synapse" : weight_told(net, row)
  if (row < 0) return what == "source" ? sources_said(net, sources) : delays_said(net, delays)
  const one = what == "source" ? source_said(net, net.source[row]) : delay_said(net, net.bin[row])
  const shared = what == "source" ? sources : delays
  if (shared.first == shared.last) return one
  const all = what == "source" ? sources_said(net, sources) : delays_said(net, delays)
  return `${one} (${n_row == 1 ? "the only one" : `strongest of ${n_row}`} in ${all})`
}

function weight_told(net, row) {
  const n = synapses_in(net, row)
  return weight_said(net, row) + (n == 1 ? "" : ` (sum of ${n} synapses)`)
}

// The first and the last cell of those that share a pixel of a side.
function cells_of_pixel(side, pixel) {
  const shown = shown_of_pixel(side, pixel)
  const first = (one) => Math.ceil(one * side.n_cell / side.shown)
  return {first: first(shown), last: first(shown + 1) - 1}
}

// The row of the strongest synapse in these cells, -1 where there is none, and how many there are.
function strongest_in(net, step, target, sources, delays) {
  const [start, end] = rows_of(net, step, target)
  const found = {row: -1, n_row: 0}
  for (let row = start; row < end; row++) {
    const source = net.source[row], bin = net.bin[row]
    if (source < sources.first || source > sources.last || bin < delays.first || bin > delays.last) continue
    found.n_row += 1
    if (found.row < 0 || rank_of(net, row) > rank_of(net, found.row)) found.row = row
  }
  return found
}
