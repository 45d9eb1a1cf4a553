// Which neurons are shown, and in which order.

// Neurons of a text such as "3, 17 40-60": a set of their numbers, null where it names none, undefined where it makes no sense.
function neurons_of_text(text, targets) {
  const parts = text.replace(/\s*[-–]\s*/g, "-").split(/[,;\s]+/).filter((part) => part != "")
  if (parts.length == 0) return null
  const found = new Set()
  for (const part of parts) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (match == null) return undefined
    const first = Number(match[1]), last = Number(match[2] ?? match[1])
    if (first > last || !targets.includes(first) || !targets.includes(last)) return undefined
    for (const target of targets) if (target >= first && target <= last) found.add(target)
  }
  return found
}

// Whether a number lies in a range, ends included. One that is open at both ends lets neurons without an answer pass, no
// other does.
function passes(value, {low, high}) {
  if (low == null && high == null) return true
  return (low == null || value >= low) && (high == null || value <= high)
}

// What a slider asks for. One that stands at an end leaves that side open, one without numbers both. Its values are sums of
// steps, and miss the numbers that they stand for by their rounding.
function range_asked({value, start, end, step, disabled}) {
  const [low, high] = value, rounding = step * 1e-6
  return {
    low: disabled || low <= start + rounding ? null : low - rounding,
    high: disabled || high >= end - rounding ? null : high + rounding,
  }
}

function passing(net, step, ranges, neurons) {
  const found = []
  for (let target = 0; target < net.n_target; target++) {
    const inside = Object.entries(ranges).every(([key, range]) => passes(number_of(net, key, step, target), range))
    if (inside && (neurons == null || neurons.has(net.targets[target]))) found.push(target)
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

const ROUNDING = 1e-9  // as in stanalysis/stats/engine/rounding.py

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
  const size = Math.max(Math.abs(low), Math.abs(high)), constant = high - low <= ROUNDING * size
  const step = whole ? 1 : 10 ** Math.floor(Math.log10((constant ? size : high - low) / 50 || 1))
  const start = Math.floor(low / step) * step, end = Math.ceil(high / step) * step
  return {start, end: end > start ? end : start + step, step, constant}
}
