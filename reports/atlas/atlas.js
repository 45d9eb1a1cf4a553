// The atlas: listens to the controls and shows what they ask for. `layout.py` joins the other files of this folder before it
// into one ES module and calls its default function when the mosaic has found its width, and after every change of that.

const MOST_TILES = 300  // on a canvas; more neurons come in pages
const MOSAIC_HEIGHT = [640, 860]  // at least and at most
const AREA_OF_TILE = 2800  // pixels for which there is to be room

let started = false

export default function (args) {
  if (started) return
  started = true
  const atlas = {...args, net: args.networks[0], step: 0, neuron: null, tiles: [], grid: null}
  atlas.colours = {scale: Uint32Array.from(args.palette, pixel_of_hex), not_finite: pixel_of_hex(args.not_finite)}
  listen(atlas)
  name_inputs(atlas)
  show_network(atlas)
}

function listen(atlas) {
  const {models} = atlas
  const on = (model, properties, react) => {
    for (const name of properties) model.connect(model.properties[name].change, () => atlas.busy || react())
  }
  on(models.network, ["value"], () => {
    atlas.net = atlas.networks[Number(models.network.value)]
    show_network(atlas)
  })
  on(models.step, ["value"], () => show_step(atlas))
  const chosen_by = [models.sort, models.neurons, ...Object.values(models.filters)]
  for (const control of chosen_by) on(control, ["value"], () => choose_anew(atlas))
  for (const control of [models.order, models.selected_only]) on(control, ["active"], () => choose_anew(atlas))
  on(models.page, ["value"], () => show_mosaic(atlas))
  on(models.x, ["value"], () => show_points(atlas))
  on(models.y, ["value"], () => show_points(atlas))
  on(models.points.selected, ["indices"], () => selected(atlas))
  on(models.mosaic, ["inner_width", "inner_height"], () => show_mosaic(atlas))
  on(models.field, ["inner_width", "inner_height"], () => show_detail(atlas))
  on(models.film, ["inner_width", "inner_height"], () => show_detail(atlas))
  models.mosaic.on_event("tap", ({x, y}) => open_tile(atlas, x, y))
  models.tiles.told = (x, y, what) => told_of_tile(atlas, x, y, what)  // for the hover tool
  models.field_tile.told = (x, y, what) => told_of_field(atlas, x, y, what)
}

// Changes models without an answer of the listeners.
function quietly(atlas, change) {
  atlas.busy = true
  change()
  atlas.busy = false
}

function show_network(atlas) {
  const {models, net} = atlas
  quietly(atlas, () => {
    const last = net.steps.length - 1
    models.step.format.args = {said: net.steps.map((_, step) => kept_said(net, step))}
    models.step.setv({end: Math.max(last, 1), value: net.best ?? last, disabled: last == 0})
    models.neurons.value = ""
    models.points.selected.indices = []
    models.selected_only.active = false
    models.page.value = "0"
    for (const [key, slider] of Object.entries(models.filters)) open_filter(slider, range_of(net.numbers[key]))
    models.weights_mapper.setv({low: -net.limit, high: net.limit})
    models.weights_bar.title = atlas.weights_said[net.all_finite ? 0 : 1]
    set_axes(atlas)
  })
  atlas.neuron = null
  show_step(atlas)
}

function open_filter(slider, range) {
  const {start, end, step, constant} = range ?? {start: 0, end: 1, step: 1, constant: true}
  slider.setv({start, end, step, value: [start, constant ? start : end], disabled: constant})
}

function show_step(atlas) {
  const {models, net} = atlas
  atlas.step = Math.min(models.step.value, net.steps.length - 1)
  models.step.title = `step ${net.steps[atlas.step]}`
  models.step.properties.title.change.emit()  // two networks may have one step, of which different things are said
  name_handles(models.step, [`${models.step.title}: ${kept_said(net, atlas.step)}`])
  choose(atlas)
}

function kept_said({steps, best}, step) {
  return `${step + 1} of ${steps.length} kept${step === best ? ", best on validation" : ""}`
}

// Other neurons, or another order: what was on a later page is not there any more.
function choose_anew(atlas) {
  quietly(atlas, () => atlas.models.page.value = "0")
  choose(atlas)
}

// By the numbers of the step: who passes the filters, in which order.
function choose(atlas) {
  const {models, net, step} = atlas
  const neurons = neurons_of_text(models.neurons.value, net.targets)
  const ranges = Object.fromEntries(Object.entries(models.filters).map(([key, slider]) => [key, range_asked(slider)]))
  atlas.passing = new Set(passing(net, step, ranges, neurons))
  const selection = new Set(models.points.selected.indices)
  const only = models.selected_only.active && selection.size > 0
  const shown = [...atlas.passing].filter((target) => !only || selection.has(target))
  atlas.shown = sorted(net, step, shown, models.sort.value, models.order.active == 1)
  if (!atlas.shown.includes(atlas.neuron)) atlas.neuron = atlas.shown[0] ?? null
  const n = atlas.shown.length
  const nonsense = neurons === undefined ? nonsense_said(net, models.neurons.value) : ""
  models.shown.text = `${n} of ${net.n_target} neurons shown${net_said(atlas)}.${nonsense}`
  set_pages(atlas)
  show_mosaic(atlas)
  show_points(atlas)
  show_detail(atlas)
}

function nonsense_said({targets}, text) {
  const range = `from ${Math.min(...targets)} to ${Math.max(...targets)}`
  return ` <b>“${escaped(text)}” names no neurons ${range}; write, for example, 3, 17, 40-60.</b>`
}

function net_said({networks, net}) {
  return networks.length == 1 ? `: ${escaped(net.name)}` : ""
}

function set_pages(atlas) {
  const {models, shown} = atlas
  const n_page = Math.max(Math.ceil(shown.length / MOST_TILES), 1)
  quietly(atlas, () => {
    models.page.options = Array.from({length: n_page}, (_, page) => {
      const last = Math.min((page + 1) * MOST_TILES, shown.length)
      return [String(page), `${page * MOST_TILES + 1}–${last} of ${shown.length}`]
    })
    if (Number(models.page.value) >= n_page) models.page.value = "0"
    models.page.visible = n_page > 1
  })
}

function show_mosaic(atlas) {
  const {models, net, step, colours} = atlas
  const width = models.mosaic.inner_width, room = height_for(atlas, width)
  const page = Number(models.page.value)
  atlas.tiles = atlas.shown.slice(page * MOST_TILES, (page + 1) * MOST_TILES).map((target) => ({step, target}))
  atlas.grid = tiling(atlas.tiles.length, width, room, net)
  models.mosaic.height = room + models.frame_height
  const height = models.mosaic.inner_height ?? room
  put_canvas(models.mosaic, models.mosaic_image, paint_tiles(net, atlas.tiles, atlas.grid, width, height, colours))
  models.labels.data = labels_of_tiles(atlas.grid, atlas.tiles.map(({target}) => String(net.targets[target])))
  outline(atlas)
}

// What a full page of the largest network needs; fewer tiles have the same room and are larger, and nothing below moves.
function height_for({networks}, width) {
  const [least, most] = MOSAIC_HEIGHT
  const net = networks.reduce((a, b) => b.n_target > a.n_target ? b : a)
  const n = Math.min(net.n_target, MOST_TILES)
  const {rows, slot_height} = tiling(n, width, Math.min(Math.max(n * AREA_OF_TILE / width, least), most), net)
  return rows * slot_height
}

// The open neuron in black, those selected among the points in green; its point gets a ring.
function outline(atlas) {
  const {models, tiles, grid, net, step, neuron, outline_colour} = atlas
  const selection = new Set(models.points.selected.indices)
  const width_of = ({target}) => target == neuron ? 2.5 : selection.has(target) ? 2 : 0
  models.tiles.data = frames_of_tiles(net, grid, tiles, width_of, ({target}) => target == neuron ? "#000000" : outline_colour)
  const at = atlas.passing.has(neuron) ? [neuron] : []
  const place = (key) => at.map((target) => number_of(net, key, step, target))
  models.ring.data = {x: place(models.x.value), y: place(models.y.value), neuron: at.map((target) => net.targets[target])}
}

// Every neuron is a point, so that an index is a neuron; those that no filter lets pass have no place.
function show_points(atlas) {
  const {models, net, step} = atlas
  const place = (key) => net.targets.map((_, target) => atlas.passing.has(target) ? number_of(net, key, step, target) : NaN)
  const keys = [models.x.value, models.y.value]
  models.points.data = {x: place(keys[0]), y: place(keys[1]), neuron: net.targets}
  const {x_range, y_range, below, left} = models.scatter
  const sides = [[x_range, below[0]], [y_range, left[0]]]
  sides.forEach(([range, axis], i) => {
    const values = keys[i] == "neuron" ? net.targets : net.numbers[keys[i]]
    const {start, end} = range_of(values) ?? {start: 0, end: 1}
    range.setv({start: start - 0.05 * (end - start), end: end + 0.05 * (end - start)})
    axis.axis_label = plain(atlas.labels[keys[i]])
  })
  outline(atlas)
}

function selected(atlas) {
  const {indices} = atlas.models.points.selected
  if (indices.length == 1) open_neuron(atlas, indices[0])
  if (atlas.models.selected_only.active) choose_anew(atlas)
  else outline(atlas)
}

function open_tile(atlas, x, y) {
  const index = tile_at(atlas.grid, atlas.tiles.length, x, y)
  if (index >= 0) open_neuron(atlas, atlas.tiles[index].target)
}

function open_neuron(atlas, neuron) {
  atlas.neuron = neuron
  outline(atlas)
  show_detail(atlas)
}
