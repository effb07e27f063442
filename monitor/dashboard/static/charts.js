// Draws the charts of a page with BokehJS from the data that stands beside each.
// In: <div class="chart" data-kind><script type="application/json">. Never: another request.
"use strict";

const P = Bokeh.Plotting;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const SERIES = ["s0", "s1", "s2", "s3"];
const WORDS = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

function shift(times) {
  // Bokeh draws times as UTC: in local time the marks are moved by the zone of each moment.
  const local = document.body.dataset.tz === "local";
  return times.map((text) => {
    const ms = Date.parse(text);
    return local ? ms - new Date(ms).getTimezoneOffset() * 60000 : ms;
  });
}

function plot(box, options) {
  const figure = P.figure(Object.assign({
    height: box.clientHeight, sizing_mode: "stretch_width", tools: "", toolbar_location: null,
    output_backend: "canvas", background_fill_color: null, border_fill_color: null,
    outline_line_color: null, min_border: 4,
  }, options));
  for (const axis of [figure.xaxis, figure.yaxis]) {
    axis.axis_line_color = colour("line");
    axis.major_tick_line_color = colour("line");
    axis.minor_tick_line_color = null;
    axis.major_label_text_color = colour("dim");
    axis.major_label_text_font_size = "11px";
    axis.axis_label_text_color = colour("dim");
    axis.axis_label_text_font_size = "11px";
    axis.axis_label_text_font_style = "normal";
  }
  figure.xgrid.grid_line_color = null;
  figure.ygrid.grid_line_color = colour("grid");
  return figure;
}

function hover(figure, tooltips, renderers, formatters) {
  figure.add_tools(new Bokeh.HoverTool({ tooltips, renderers, formatters: formatters || {}, mode: "vline" }));
}

function legend(figure) {
  const box = figure.legend;
  box.location = "top_left";
  box.orientation = "horizontal";
  box.background_fill_color = colour("paper");
  box.background_fill_alpha = 0.85;
  box.border_line_color = null;
  box.label_text_color = colour("dim");
  box.label_text_font_size = "11px";
  box.glyph_height = 12;
  box.glyph_width = 16;
  box.padding = 2;
  box.margin = 2;
  box.spacing = 10;
}

const KINDS = {
  traffic(box, data) {
    const times = shift(data.times);
    const width = times.length > 1 ? times[1] - times[0] : 3600000;
    const figure = plot(box, { x_axis_type: "datetime", y_axis_label: "events" });
    const base = times.map(() => 0);
    data.versions.forEach((line, place) => {
      const top = base.map((value, at) => value + line.events[at]);
      const source = new Bokeh.ColumnDataSource({ data: {
        x: times.map((t) => t + width / 2), top, bottom: [...base], events: line.events,
        version: times.map(() => line.model_version),
      } });
      const bars = figure.vbar({ source, x: { field: "x" }, top: { field: "top" }, bottom: { field: "bottom" },
        width: width * 0.86, fill_color: colour(SERIES[place % 4]), line_color: null,
        ...(data.versions.length > 1 ? { legend_label: line.model_version } : {}) });
      hover(figure, [["", "@x{%F %R}"], ["version", "@version"], ["events", "@events{0,0}"]], [bars], { "@x": "datetime" });
      top.forEach((value, at) => { base[at] = value; });
    });
    if (data.versions.length > 1) legend(figure);
    return figure;
  },

  levels(box, data) {
    const x = shift(data.times);
    const figure = plot(box, { x_axis_type: "datetime", y_axis_label: data.column });
    figure.varea({ x, y1: data.lowest, y2: data.highest, fill_color: colour("band"), fill_alpha: 0.6 });
    const source = new Bokeh.ColumnDataSource({ data: { x, mean: data.mean, low: data.lowest, high: data.highest } });
    const line = figure.line({ source, x: { field: "x" }, y: { field: "mean" }, line_color: colour("s0"), line_width: 1.8 });
    if (data.reference_mean !== null) {
      figure.line({ x: [x[0], x[x.length - 1]], y: [data.reference_mean, data.reference_mean], line_color: colour("s1"), line_dash: [5, 4], line_width: 1.4 });
    }
    hover(figure, [["", "@x{%F %R}"], ["mean", "@mean{0.000}"], ["smallest", "@low{0.000}"], ["largest", "@high{0.000}"]], [line], { "@x": "datetime" });
    return figure;
  },

  distribution(box, data) {
    const number = data.kind === "number";
    const labels = data.bins.map((bin) => bin.label);
    const percent = (name) => data.bins.map((bin) => bin[name] * 100);
    const figure = plot(box, { y_axis_label: "per cent of values",
      ...(number ? { x_axis_label: data.column } : { x_range: labels }) });
    const source = new Bokeh.ColumnDataSource({ data: {
      label: labels, reference: percent("reference"), current: percent("current"),
      left: data.bins.map((bin) => bin.low), right: data.bins.map((bin) => bin.high),
    } });
    let bars, marks;
    if (number) {
      bars = figure.quad({ source, left: { field: "left" }, right: { field: "right" }, bottom: 0, top: { field: "reference" },
        fill_color: colour("band"), line_color: colour("paper"), legend_label: "reference" });
      marks = figure.quad({ source, left: { field: "left" }, right: { field: "right" }, bottom: 0, top: { field: "current" },
        fill_color: null, line_color: colour("s1"), line_width: 1.8, legend_label: "window" });
    } else {
      bars = figure.vbar({ source, x: { field: "label" }, top: { field: "reference" }, width: 0.8, fill_color: colour("band"), line_color: null, legend_label: "reference" });
      marks = figure.vbar({ source, x: { field: "label" }, top: { field: "current" }, width: 0.45, fill_color: null, line_color: colour("s1"), line_width: 1.8, legend_label: "window" });
      figure.xaxis.major_label_orientation = data.bins.length > 9 ? 0.6 : "horizontal";
    }
    figure.y_range.start = 0;
    hover(figure, [["", "@label"], ["reference", "@reference{0.0} %"], ["window", "@current{0.0} %"]], [bars]);
    legend(figure);
    figure.legend.location = "top_right";
    return figure;
  },

  effects(box, data) {
    const figure = plot(box, { x_axis_type: "datetime", y_axis_label: "effect" });
    data.forEach((line, place) => {
      const x = shift(line.times);
      const name = line.check + (line.scale ? ` ${line.scale.toLocaleString("en")} events` : "");
      const source = new Bokeh.ColumnDataSource({ data: { x, effect: line.effect, limit: line.limit, name: x.map(() => name) } });
      const drawn = figure.line({ source, x: { field: "x" }, y: { field: "effect" }, line_color: colour(SERIES[place % 4]), line_width: 1.8, legend_label: name });
      figure.line({ source, x: { field: "x" }, y: { field: "limit" }, line_color: colour(SERIES[place % 4]), line_dash: [5, 4], line_width: 1.2 });
      hover(figure, [["", "@x{%F %R}"], ["test", "@name"], ["effect", "@effect{0.000}"], ["needed", "@limit{0.000}"]], [drawn], { "@x": "datetime" });
    });
    figure.y_range.start = 0;
    legend(figure);
    return figure;
  },

  performance(box, data) {
    const line = data.line;
    const x = shift(data.times);
    const figure = plot(box, { x_axis_type: "datetime", y_axis_label: line.unit ? `${line.metric}, ${line.unit}` : line.metric });
    const source = new Bokeh.ColumnDataSource({ data: {
      x, value: line.value, lower: line.lower, upper: line.upper, estimated: line.estimated, baseline: line.baseline,
    } });
    const at = { source, x: { field: "x" } };
    figure.varea({ source, x: { field: "x" }, y1: { field: "lower" }, y2: { field: "upper" }, fill_color: colour("band"), fill_alpha: 0.7 });
    if (line.baseline.some((v) => v !== null)) figure.line({ ...at, y: { field: "baseline" }, line_color: colour("dim"), line_dash: [1, 3], line_width: 1.6 });
    if (line.estimated.some((v) => v !== null)) figure.line({ ...at, y: { field: "estimated" }, line_color: colour("s1"), line_dash: [5, 4], line_width: 1.6 });
    const drawn = figure.line({ ...at, y: { field: "value" }, line_color: colour("s0"), line_width: 1.8 });
    hover(figure, [["", "@x{%F %R}"], ["realised", "@value{0.000}"], ["band", "@lower{0.000} to @upper{0.000}"], ["estimated", "@estimated{0.000}"]], [drawn], { "@x": "datetime" });
    return figure;
  },

  reliability(box, data) {
    const figure = plot(box, { x_axis_label: "promised rate", y_axis_label: "observed rate" });
    const most = Math.max(...data.bins.map((bin) => bin.predictions));
    const source = new Bokeh.ColumnDataSource({ data: {
      x: data.bins.map((bin) => bin.promised), y: data.bins.map((bin) => bin.observed),
      n: data.bins.map((bin) => bin.predictions), size: data.bins.map((bin) => 4 + 12 * Math.sqrt(bin.predictions / most)),
    } });
    figure.line({ x: [0, 1], y: [0, 1], line_color: colour("dim"), line_dash: [5, 4], line_width: 1.2 });
    figure.line({ source, x: { field: "x" }, y: { field: "y" }, line_color: colour("s0"), line_width: 1.6 });
    const marks = figure.scatter({ source, x: { field: "x" }, y: { field: "y" }, size: { field: "size" }, fill_color: colour("s0"), line_color: colour("paper") });
    figure.add_tools(new Bokeh.HoverTool({ tooltips: [["promised", "@x{0.000}"], ["observed", "@y{0.000}"], ["predictions", "@n{0,0}"]], renderers: [marks] }));
    return figure;
  },
};

async function drawCharts(root) {
  for (const box of root.querySelectorAll(".chart[data-kind]")) {
    const holder = box.querySelector("script");
    if (!holder) continue;
    const data = JSON.parse(holder.textContent);
    holder.remove();
    box.dataset.drawn = "no";
    await P.show(KINDS[box.dataset.kind](box, data), box);
    box.dataset.drawn = "yes";
  }
}

Bokeh.set_log_level("error");
window.drawCharts = drawCharts;
drawCharts(document);
