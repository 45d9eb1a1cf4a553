// Numbers and places as a reader says them.

function said(value) {
  if (Number.isNaN(value)) return "no answer"
  if (Number.isInteger(value)) return String(value)
  const size = Math.abs(value)
  return size >= 1000 ? value.toFixed(0) : size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(1)
}

function source_said(net, source) {
  const hertz = net.frequency == null ? "" : ` (${said_hertz(net.frequency[source])} Hz)`
  return `${net.frequency == null ? "neuron" : "channel"} ${source}${hertz}`
}

function said_hertz(hertz) {
  return String(hertz < 100 ? Number(hertz.toPrecision(3)) : Math.round(hertz))
}

function escaped(text) {
  const entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
  return text.replace(/[&<>"']/g, (letter) => entities[letter])
}

// A name as the label of an axis, where a dollar or a backslash would begin a formula.
function plain(text) {
  return text.replace(/[$\\]/g, " ")
}

// At most so many indices from 0 to n - 1, evenly spread.
function spread(n, most) {
  const count = Math.min(n, most)
  return [...new Set(Array.from({length: count}, (_, i) => Math.round(i * (n - 1) / Math.max(count - 1, 1))))]
}
