// Reading what `packing.py` sends of a network ("net"): synapse rows sorted by step, target, source and delay.

const NO_NUMBER = -32768  // a weight that is not finite

function rows_of(net, step, target) {
  const field = step * net.n_target + target
  return [net.start[field], net.start[field + 1]]
}

function weight_of(net, row) {
  return net.weight[row] == NO_NUMBER ? NaN : net.weight[row] * net.scale
}

// A number of a neuron at a step; NaN where there is no answer, or this network has no such number.
function number_of(net, key, step, target) {
  if (key == "neuron") return target
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
