package main

import (
	"bytes"
	"fmt"
)

// picture draws the curve as SVG.
func picture(curve []Point) []byte {
	const width, height, margin = 640.0, 400.0, 50.0
	right, top := curve[len(curve)-1].Current, 0.0
	for _, p := range curve {
		top = max(top, p.Rate)
	}
	x := func(current float64) float64 { return margin + current/right*(width-2*margin) }
	y := func(rate float64) float64 { return height - margin - rate/top*(height-2*margin) }

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><path d="M%g %gV%gH%g" fill="none" stroke="black"/>`+"\n", margin, margin, height-margin, width-margin)
	for i := range 5 {
		current, rate := right*float64(i)/4, top*float64(i)/4
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%.2g</text>`, x(current), height-margin+18, current)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end">%.0f</text>`+"\n", margin-6, y(rate)+4, rate)
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">current / nA</text><text x="%g" y="%g">rate / Hz</text>`+"\n", width/2, height-10, 8.0, margin-14)
	b.WriteString(`<polyline fill="none" stroke="#1f6fb4" stroke-width="2" points="`)
	for _, p := range curve {
		fmt.Fprintf(&b, "%.1f,%.1f ", x(p.Current), y(p.Rate))
	}
	b.WriteString("\"/>\n</svg>\n")
	return b.Bytes()
}
