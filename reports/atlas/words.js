// Numbers and places as a reader says them.

function said(value) {
  if (Number.isNaN(value)) return "no answer"
  if (Number.isInteger(value)) return String(value)
  const size = Math.abs(value)
  return size >= 1000 ? value.toFixed(0) : size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(1)
}

function source_said(net, source) {
  const hertz = net.frequency == null ? "" : ` (${said_hertz(net.frequency[source])} Hz)`
  return `${net.frequency == null ? "neuron" : "channel"} ${net.sources[source]}${hertz}`
}

function sources_said(net, {first, last}) {
  if (first == last) return source_said(net, first)
  return `${net.frequency == null ? "neurons" : "channels"} ${net.sources[first]}–${net.sources[last]}`
}

function delay_said(net, bin) {
  return `${net.continuous ? "delay bin of " : ""}${said(net.delay[bin])} ms`
}

function delays_said(net, {first, last}) {
  if (first == last) return delay_said(net, first)
  return `${net.continuous ? "delay bins of " : ""}${said(net.delay[first])}–${said(net.delay[last])} ms`
}

function said_hertz(hertz) {
  return String(hertz < 100 ? Number(hertz.toPrecision(3)) : Math.round(hertz))
}

function escaped(text) {
  const entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
  return text.replace(/[&<>"']/g, (letter) => entities[letter])
}

// Bokeh does not name the parts of its inputs, which those need who do not see them.
function name_handles(slider, names) {
  const handles = view_of(slider)?.slider_el.querySelectorAll(".noUi-handle") ?? []
  handles.forEach((handle, i) => handle.setAttribute("aria-label", names[i]))
}

function name_inputs({models}) {
  for (const slider of Object.values(models.filters)) name_handles(slider, [`${slider.title}, from`, `${slider.title}, to`])
  view_of(models.selected_only)?.checkbox_el.setAttribute("aria-label", models.selected_only.label)
}

function view_of(model) {
  return window.Bokeh?.index.find_one_by_id(model.id)
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
