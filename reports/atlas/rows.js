// Reading what `packing.py` sends of a network ("net"): synapse rows sorted by step, target, source and delay.

const SIZE_BITS = 0x7fff, LEAST_BITS = 0x0400  // of a half float: all but its sign; of smaller ones digits are lost
const HALVES = Float32Array.from({length: 0x10000}, (_, bits) => half(bits))

function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023
  if (exponent == 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent == 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

function rows_of(net, step, target) {
  const field = step * net.n_target + target
  return [net.start[field], net.start[field + 1]]
}

function weight_of(net, row) {
  return HALVES[net.weight[row]] * net.scale
}

// Size of a weight among others; one that is not finite is the largest, so that it is seen.
function rank_of(net, row) {
  return net.weight[row] & SIZE_BITS
}

function weight_said(net, row) {
  const weight = weight_of(net, row), rank = rank_of(net, row)
  if (!Number.isFinite(weight)) return "not finite"
  if (rank == 0 || rank >= LEAST_BITS) return said(weight)
  const bound = 10 ** Math.ceil(Math.log10(HALVES[LEAST_BITS] * net.scale))
  return `${weight > 0 ? "above 0, < " : "below 0, size < "}${said(bound)}`
}

// Synapses in the cell of a row, whose weights are summed.
function synapses_in(net, row) {
  const {row: rows, n_synapses} = net.several
  const at = rows.indexOf(row)
  return at < 0 ? 1 : n_synapses[at]
}

// A number of a neuron at a step; NaN where there is no answer, or this network has no such number.
function number_of(net, key, step, target) {
  if (key == "neuron") return net.targets[target]
  const values = net.numbers[key]
  return values === undefined ? NaN : values[step * net.n_target + target]
}

// The receptive field as a plane (source, delay), 0 where there is no synapse.
function plane_of(net, step, target) {
  const plane = new Float64Array(net.n_source * net.delay.length)
  const [first, last] = rows_of(net, step, target)
  for (let row = first; row < last; row++) plane[net.source[row] * net.delay.length + net.bin[row]] = weight_of(net, row)
  return plane
}
