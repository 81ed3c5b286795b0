// Draws the figures from the data block; each has its place by name.
for (const [name, item] of Object.entries(JSON.parse(document.getElementById("plots").textContent))) {
  Bokeh.embed.embed_item(item, `plot-${name}`);
}
