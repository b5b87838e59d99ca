package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// chart is a picture of what changes with x: panels below each other that share
// a logarithmic x axis. The colours can be told from a light and from a dark
// background; the background itself is left out.
type chart struct {
	title  string
	xLabel string
	xTick  func(float64) string
	panels []panel
}

// panel shows lines of one unit.
type panel struct {
	unit string
	log  bool // the y axis; else it begins at 0
	rows []line
}

type line struct {
	name   string
	points []point // in order of x
}

type point struct{ x, y float64 }

// Sizes in pixels.
const (
	chartWidth  = 720
	panelHeight = 170
	panelGap    = 56
	headHeight  = 72
	plotLeft    = 80
	plotRight   = chartWidth - 24
)

const chartStyle = `text{font:13px system-ui,sans-serif;fill:#768390}` +
	`.title{font-size:16px;font-weight:600}.grid{stroke:#768390;stroke-opacity:.3}.line{fill:none;stroke-width:2}`

var lineColours = []string{"#2f81f7", "#db6d28", "#2da44e"}

// svg draws the chart.
func (c *chart) svg() []byte {
	var out bytes.Buffer
	height := headHeight + len(c.panels)*(panelHeight+panelGap)
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img"><title>%s</title><style>%s</style>`+"\n",
		chartWidth, height, escaped(c.title), chartStyle)
	fmt.Fprintf(&out, `<text class="title" x="%d" y="24">%s</text>`+"\n", plotLeft, escaped(c.title))
	for i := range c.panels {
		c.panels[i].draw(&out, float64(headHeight+i*(panelHeight+panelGap)), c.xs(), c.xTick)
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (plotLeft+plotRight)/2, height-8, escaped(c.xLabel))
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// xs returns every x that has a point.
func (c *chart) xs() []float64 {
	var xs []float64
	for _, p := range c.panels {
		for _, row := range p.rows {
			for _, at := range row.points {
				xs = append(xs, at.x)
			}
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// draw draws the panel with its upper edge at top.
func (p *panel) draw(out *bytes.Buffer, top float64, xs []float64, xTick func(float64) string) {
	bottom := top + panelHeight
	ticks := p.ticks()
	toX := scaleX(xs)
	toY := func(y float64) float64 {
		low, high := ticks[0], ticks[len(ticks)-1]
		if p.log {
			y, low, high = math.Log10(max(y, smallest)), math.Log10(low), math.Log10(high)
		}
		return bottom - (y-low)/(high-low)*panelHeight
	}
	for _, x := range xs {
		fmt.Fprintf(out, `<path class="grid" d="M%.1f %.1fV%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n",
			toX(x), top, bottom, toX(x), bottom+18, escaped(xTick(x)))
	}
	for _, y := range ticks {
		fmt.Fprintf(out, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, toY(y), plotRight, plotLeft-8, toY(y)+4, number(y))
	}
	fmt.Fprintf(out, `<text x="%d" y="%.1f">%s</text>`+"\n", plotLeft, top-12, escaped(p.unit))
	for i, row := range p.rows {
		colour := lineColours[i%len(lineColours)]
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end" style="fill:%s">%s</text>`+"\n",
			plotRight-(len(p.rows)-1-i)*160, top-12, colour, escaped(row.name))
		path, dots := "", ""
		for k, at := range row.points {
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(k, 1)], toX(at.x), toY(at.y))
			dots += fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, toX(at.x), toY(at.y), colour)
		}
		fmt.Fprintf(out, `<path class="line" stroke="%s" d="%s"/>%s`+"\n", colour, path, dots)
	}
}

// scaleX returns where an x is drawn. Zero, which has no logarithm, is as far
// left of the first x as the second is right of it.
func scaleX(xs []float64) func(float64) float64 {
	at := make(map[float64]float64)
	low := math.Inf(1)
	for i, x := range xs {
		if at[x] = math.Log10(x); x == 0 {
			at[x] = 2*math.Log10(xs[i+1]) - math.Log10(xs[i+2])
		}
		low = min(low, at[x])
	}
	high := at[xs[len(xs)-1]]
	return func(x float64) float64 {
		const margin = 24
		return plotLeft + margin + (at[x]-low)/max(high-low, 1e-9)*(plotRight-plotLeft-2*margin)
	}
}

// smallest is what a logarithmic axis shows for 0.
const smallest = 1e-9

// ticks returns round values of the y axis, below and above all points.
func (p *panel) ticks() []float64 {
	low, high := math.Inf(1), smallest
	for _, row := range p.rows {
		for _, at := range row.points {
			low, high = min(low, max(at.y, smallest)), max(high, at.y)
		}
	}
	first, next := 0.0, func(y, step float64) float64 { return y + step }
	step := math.Pow(10, math.Floor(math.Log10(high))) / 10
	for i := 0; high > 6*step; i++ { // as many lines as are easy to read
		step *= []float64{2, 2.5, 2}[i%3]
	}
	if p.log {
		first, next = math.Pow(10, math.Floor(math.Log10(low))), func(y, _ float64) float64 { return 10 * y }
	}
	ticks := []float64{first, next(first, step)}
	for ticks[len(ticks)-1] < high {
		ticks = append(ticks, next(ticks[len(ticks)-1], step))
	}
	return ticks
}

// number writes y with as few digits as tell it from its neighbours.
func number(y float64) string {
	switch {
	case y >= 1e6:
		return strconv.FormatFloat(y/1e6, 'g', 4, 64) + " M"
	case y >= 1e4:
		return strconv.FormatFloat(y/1e3, 'g', 4, 64) + " k"
	}
	return strconv.FormatFloat(y, 'g', 4, 64)
}

func escaped(s string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(s)) // a buffer takes everything
	return out.String()
}
