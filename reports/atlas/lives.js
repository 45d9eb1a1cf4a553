// The lives of a neuron's synapses as lines that do not cover each other.

// Index of a lane for each life, so that lives of one lane do not overlap; lives are [birth, end], sorted by birth.
function lanes(lives) {
  const free_from = []
  return lives.map(([birth, end]) => {
    let lane = free_from.findIndex((step) => step < birth)
    if (lane < 0) lane = free_from.length
    free_from[lane] = end
    return lane
  })
}

// Columns of a data source: a line from birth to end at the height of its source; those of one source side by side.
function lines_of_lives(net, target, colours) {
  const found = {birth: [], end: [], y: [], colour: [], died: [], source: []}
  if (net.lives == null || target == null) return found
  const {source, birth, end, died, sign, start} = net.lives
  const by_source = new Map()
  for (let life = start[target]; life < start[target + 1]; life++) {
    if (!by_source.has(source[life])) by_source.set(source[life], [])
    by_source.get(source[life]).push(life)
  }
  for (const [one, own] of by_source) {
    own.sort((a, b) => birth[a] - birth[b])
    const lane = lanes(own.map((life) => [birth[life], end[life]]))
    const n_lane = Math.max(...lane) + 1
    own.forEach((life, i) => {
      found.birth.push(birth[life])
      found.end.push(end[life])
      found.y.push(one + (lane[i] + 0.5) / n_lane * 0.8 - 0.4)
      found.colour.push(colours[Math.sign(sign[life]) + 1])
      found.died.push(died[life] ? 0.9 : 0)  // opacity of the dot at its end
      found.source.push(net.sources[one])
    })
  }
  return found
}
