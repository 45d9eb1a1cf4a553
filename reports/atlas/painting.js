// Receptive fields as pixels: 32-bit numbers, in the order in which a canvas keeps its colours (alpha, blue, green, red).

const PAPER = 0xffffffff, FRAME = 0xffdadada

function pixel_of_hex(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
  return (0xff000000 | blue << 16 | green << 8 | red) >>> 0
}

// The colours of weights are those of a scale, and one for those that are not finite.
function colour_of({scale, not_finite}, weight, limit) {
  if (!Number.isFinite(weight)) return not_finite
  const share = (Math.max(-1, Math.min(1, weight / limit)) + 1) / 2
  return scale[Math.min(scale.length - 1, Math.floor(share * scale.length))]
}

// Of each shown cell (upwards, across) the row of its strongest synapse, -1 where there is none: no synapse may vanish.
function strongest(net, step, target, across, up) {
  const found = new Int32Array(up.shown * across.shown).fill(-1)
  const [first, last] = rows_of(net, step, target)
  for (let row = first; row < last; row++) {
    const cell = shown_of_cell(up, net.source[row]) * across.shown + shown_of_cell(across, net.bin[row])
    const other = found[cell]
    if (other < 0 || rank_of(net, row) > rank_of(net, other)) found[cell] = row
  }
  return found
}

function fill(image, left, top, width, height, colour) {
  for (let y = top; y < top + height; y++) {
    const start = y * image.width + left
    image.pixels.fill(colour, start, start + width)
  }
}

// One field, its first source at the bottom.
function paint_field(image, net, step, target, left, top, across, up, colours) {
  const cells = strongest(net, step, target, across, up)
  for (let i = 0; i < up.shown; i++) {
    const low = first_pixel(up, i), high = first_pixel(up, i + 1)
    for (let j = 0; j < across.shown; j++) {
      const row = cells[i * across.shown + j]
      if (row < 0) continue
      const from = first_pixel(across, j), to = first_pixel(across, j + 1)
      fill(image, left + from, top + up.size - high, to - from, high - low, colour_of(colours, weight_of(net, row), net.limit))
    }
  }
}

function blank(width, height) {
  return {width, height, pixels: new Uint32Array(width * height).fill(PAPER)}
}

// Tiles of fields, each {step, target}, in a pale frame.
function paint_tiles(net, tiles, grid, width, height, colours) {
  const image = blank(width, height)
  tiles.forEach(({step, target}, index) => {
    const [left, top] = corner(grid, index)
    fill(image, left - 1, top - 1, grid.across.size + 2, grid.up.size + 2, FRAME)
    fill(image, left, top, grid.across.size, grid.up.size, PAPER)
    paint_field(image, net, step, target, left, top, grid.across, grid.up, colours)
  })
  return image
}
