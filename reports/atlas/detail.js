// The detail of one neuron: its field with axes, through training, its local Moran map, the lives of its synapses.

const FILM_HEIGHT = 300
const ROOM_FOR_STEP = 56  // pixels for the word before the number

function show_detail(atlas) {
  const {models, net, step, neuron} = atlas
  models.detail.text = neuron == null ? "<b>No neuron is shown.</b>" : detail_said(atlas)
  show_field(atlas)
  show_film(atlas)
  show_local(atlas)
  const lines = lines_of_lives(net, neuron, atlas.sign_colours)
  models.lives_lines.data = lines
  const none = neuron != null && lines.birth.length == 0
  models.lives_said.text = net.lives == null ? escaped(net.lives_said) : none ? "No synapse ever." : ""
  models.lives_now.location = net.steps[step]
}

function detail_said({net, step, neuron, labels}) {
  const synapses = number_of(net, "n_synapses", step, neuron)
  const parts = [`${said(synapses)} synapse${synapses == 1 ? "" : "s"}`]
  const value = (key) => number_of(net, key, step, neuron)
  if ("morans_i" in net.numbers) parts.push(`${labels.morans_i}: ${said(value("morans_i"))}`)
  if ("p_value" in net.numbers) parts.push(`p: ${said(value("p_value"))}`)
  if (!Number.isNaN(value("mean_lifetime"))) parts.push(`${labels.mean_lifetime}: ${said(value("mean_lifetime"))}`)
  return `<b>Neuron ${net.targets[neuron]} at step ${net.steps[step]}.</b> ${escaped(parts.join(", "))}.`
}

// Image of the field in the pixels of its frame, so that none of its rows is lost where sources are many.
function show_field({models, net, step, neuron, colours}) {
  const {field, field_image, field_tile} = models
  const across = pixels(field.inner_width ?? 1, net.delay.length), up = pixels(field.inner_height ?? 1, net.n_source)
  const image = blank(across.size, up.size)
  if (neuron != null) paint_field(image, net, step, neuron, 0, 0, across, up, colours)
  const place = plane_place(net)
  put_image(field_image, image, place)
  const one = (value) => neuron == null ? [] : [value]
  field_tile.data = {
    left: one(place.x), right: one(place.x + place.dw), bottom: one(place.y), top: one(place.y + place.dh),
    neuron: one(net.targets[neuron]),
  }
}

// Where a field's image lies on axes of ms and sources.
function plane_place(net) {
  const width = net.delay.length > 1 ? net.delay[1] - net.delay[0] : 1
  return {x: net.delay[0] - width / 2, y: -0.5, dw: width * net.delay.length, dh: net.n_source}
}

function put_image(source, image, {x, y, dw, dh}) {
  const NDArray = source.data.image[0].constructor  // BokehJS draws arrays of its own class only
  source.data = {image: [new NDArray(image.pixels, [image.height, image.width])], x: [x], y: [y], dw: [dw], dh: [dh]}
}

function film_grid({models, net}) {
  return tiling(net.steps.length, models.film.inner_width ?? 1, FILM_HEIGHT, net)
}

function show_film(atlas) {
  const {models, net, step, neuron, colours} = atlas
  const {film, film_image, film_tiles, film_labels} = models
  const width = film.inner_width ?? 1, height = film.inner_height ?? 1
  const grid = film_grid(atlas)
  const tiles = neuron == null ? [] : net.steps.map((_, index) => ({step: index, target: neuron}))
  put_canvas(film, film_image, paint_tiles(net, tiles, grid, width, height, colours))
  const word = grid.slot_width < ROOM_FOR_STEP ? "" : "step "
  film_labels.data = labels_of_tiles(grid, tiles.map((tile) => `${word}${net.steps[tile.step]}`))
  film_tiles.data = frames_of_tiles(net, grid, tiles, (tile) => tile.step == step ? 2 : 0, () => "#000000")
}

// A figure whose unit is the pixel, the first one at the top.
function put_canvas(figure, source, image) {
  figure.x_range.setv({start: 0, end: image.width})
  figure.y_range.setv({start: image.height, end: 0})
  put_image(source, image, {x: 0, y: 0, dw: image.width, dh: image.height})
}

function labels_of_tiles(grid, texts) {
  const corners = texts.map((_, index) => corner(grid, index))
  return {x: corners.map(([left]) => left - 1), y: corners.map(([, top]) => top - 4), text: texts}
}

function frames_of_tiles(net, grid, tiles, width_of, colour_of_tile) {
  const corners = tiles.map((_, index) => corner(grid, index))
  return {
    left: corners.map(([left]) => left - 1),
    right: corners.map(([left]) => left + grid.across.size + 1),
    top: corners.map(([, top]) => top - 1),
    bottom: corners.map(([, top]) => top + grid.up.size + 1),
    neuron: tiles.map(({target}) => net.targets[target]),
    line_width: tiles.map(width_of),
    line_alpha: tiles.map((tile) => width_of(tile) > 0 ? 1 : 0),
    line_color: tiles.map(colour_of_tile),
  }
}

function show_local({models, net, step, neuron}) {
  const {local_image, local_mapper, local_said} = models
  const n_delay = net.delay.length
  const enough = number_of(net, "n_synapses", step, neuron) >= net.min_synapses
  const plane = neuron == null ? new Float64Array(net.n_source * n_delay) : plane_of(net, step, neuron)
  const values = local_moran(plane, net.n_source, n_delay, net.contiguity == "queen", net.standardised)
  if (!enough) values.fill(NaN)
  const sizes = values.map((value) => Math.abs(value) || 0).sort()
  const limit = sizes[Math.floor(0.99 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1  // one cell must not pale the rest
  local_mapper.setv({low: -limit, high: limit})
  const NDArray = local_image.data.image[0].constructor
  const {x, y, dw, dh} = plane_place(net)
  local_image.data = {image: [new NDArray(values, [net.n_source, n_delay])], x: [x], y: [y], dw: [dw], dh: [dh]}
  local_said.text = neuron != null && Number.isNaN(values[0]) ? `No answer: ${why_none(net, plane, enough)}.` : ""
}

function why_none(net, plane, enough) {
  if (!enough) return `fewer than ${net.min_synapses} synapses`
  if (net.n_source < 2) return "there is one source only"
  return plane.every(Number.isFinite) ? "the field is constant" : "a weight is not finite"
}

// Axes of all planes of a network: ticks, and frequencies where they are known.
function set_axes({models, net}) {
  const delay = plane_place(net)
  const sources = spread(net.n_source, 6)
  const labels = new Map(sources.map((source) => [source, source_label(net, source)]))
  for (const figure of [models.field, models.local]) {
    figure.x_range.setv({start: delay.x, end: delay.x + delay.dw})
    figure.y_range.setv({start: delay.y, end: delay.y + delay.dh})
  }
  models.lives.y_range.setv({start: -0.5, end: net.n_source - 0.5})
  const last = net.steps[net.steps.length - 1], first = net.steps[0]
  const beyond = 0.02 * Math.max(last - first, 1)
  models.lives.x_range.setv({start: first - beyond, end: last + beyond})
  for (const axis of models.source_axes) {
    axis.ticker.ticks = sources
    axis.major_label_overrides = labels
    axis.axis_label = net.frequency == null ? "presynaptic neuron" : "channel: frequency [Hz]"
  }
}

function source_label(net, source) {
  return net.frequency == null ? String(net.sources[source]) : `${net.sources[source]}: ${said_hertz(net.frequency[source])}`
}
