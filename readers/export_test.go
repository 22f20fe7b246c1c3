package readers

// WithBlocks makes blocks and shares small, so that short files have many of both.
func WithBlocks(o Options, block, share int) *Options {
	o.block, o.share = block, share
	return &o
}

var (
	ScanDecimal = scanDecimal
	ScanLast    = scanLast
	ParseNumber = parseNumber
)

// LongestPlain is how many bytes scanDecimal wants behind it to load words.
const LongestPlain = longestPlain
