package plot

var Ticks = ticks
