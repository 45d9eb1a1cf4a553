// Local Moran's I as `stanalysis/stats/spatial/local.py` defines it, without its tests: I = (n - 1) z share sum of the neighbours' z,
// z being centred and of squares that add up to 1. NaN where there is no answer.

function local_moran(plane, n_source, n_delay, queen, standardised) {
  const z = centred(plane)
  const found = new Float64Array(plane.length)
  if (z == null || n_source < 2) return found.fill(NaN)
  for (let source = 0; source < n_source; source++) {
    for (let delay = 0; delay < n_delay; delay++) {
      const [sum, count] = around(z, source, delay, n_source, n_delay, queen)
      const cell = source * n_delay + delay
      found[cell] = (plane.length - 1) * z[cell] * (standardised ? sum / count : sum)
    }
  }
  return found
}

// Null for a plane that is constant but for rounding, or not finite somewhere.
function centred(plane) {
  const largest = plane.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  if (!Number.isFinite(largest) || plane.every((value) => Math.abs(value - plane[0]) <= ROUNDING * largest)) return null
  const scaled = plane.map((value) => value / largest)  // no square may underflow
  const mean = scaled.reduce((a, b) => a + b, 0) / plane.length
  const z = scaled.map((value) => value - mean)
  const norm = Math.sqrt(z.reduce((a, b) => a + b * b, 0))
  return z.map((value) => value / norm)
}

// Sum and number of the neighbours of a cell.
function around(z, source, delay, n_source, n_delay, queen) {
  let sum = 0, count = 0
  for (let a = -1; a <= 1; a++) {
    for (let b = -1; b <= 1; b++) {
      const side = Math.abs(a) + Math.abs(b)
      if (side == 0 || side == 2 && !queen) continue
      const i = source + a, j = delay + b
      if (i < 0 || i >= n_source || j < 0 || j >= n_delay) continue
      sum += z[i * n_delay + j]
      count += 1
    }
  }
  return [sum, count]
}
