// Which neurons are shown, and in which order.

// Neurons of a text such as "3, 17, 40-60": a set, null where the text is empty, undefined where it makes no sense.
function neurons_of_text(text, n_target) {
  if (text.trim() == "") return null
  const found = new Set()
  for (const part of text.split(/[,;]/)) {
    const match = /^\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?$/.exec(part)
    if (match == null) return undefined
    const first = Number(match[1]), last = Number(match[2] ?? match[1])
    if (first > last || last >= n_target) return undefined
    for (let neuron = first; neuron <= last; neuron++) found.add(neuron)
  }
  return found
}

// Whether a number lies in a range. One that is open at both ends lets neurons without an answer pass, no other does.
function passes(value, {low, high}) {
  if (low == null && high == null) return true
  return (low == null || value >= low) && (high == null || value <= high)
}

function passing(net, step, ranges, neurons) {
  const found = []
  for (let target = 0; target < net.n_target; target++) {
    const inside = Object.entries(ranges).every(([key, range]) => passes(number_of(net, key, step, target), range))
    if (inside && (neurons == null || neurons.has(target))) found.push(target)
  }
  return found
}

// Neurons by a number, those without an answer last, equal ones by their own number.
function sorted(net, step, targets, key, descending) {
  const sign = descending ? -1 : 1
  const value = new Map(targets.map((target) => [target, number_of(net, key, step, target)]))
  return [...targets].sort((a, b) => {
    const x = value.get(a), y = value.get(b)
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b
    return sign * (x - y) || a - b
  })
}

// The smallest range of round numbers that holds a number of all neurons at all steps; null where none has an answer.
function range_of(values) {
  let low = Infinity, high = -Infinity
  let whole = true
  for (const value of values ?? []) {
    if (!Number.isFinite(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
    whole &&= Number.isInteger(value)
  }
  if (low > high) return null
  const step = whole ? 1 : 10 ** Math.floor(Math.log10((high - low) / 50 || Math.abs(high) / 50 || 1))
  const start = Math.floor(low / step) * step, end = Math.ceil(high / step) * step
  return {start, end: end > start ? end : start + step, step, constant: low == high}
}
