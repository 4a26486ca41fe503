package xmlstream

import "math"

// Limits bound what one item may cost. N passes and N+1 is refused with policy-violation; a field that is zero (or less) takes
// its value from [DefaultLimits].
type Limits struct {
	Bytes    int // of one item: a stream header with its XML declaration, or a whole first-level element; less than 2 GiB
	Depth    int // elements open at once; the first-level element is the first
	Attrs    int // attributes of one element, namespace declarations among them
	Kids     int // child elements of a first-level element
	Bindings int // namespace declarations in force at once, those of the stream header among them; at most 63
}

// DefaultLimits suits a client's stream: RFC 6120, 13.12 asks for at least 10 000 bytes.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 10, Depth: 64, Attrs: 64, Kids: 256, Bindings: maxBindings}
}

// maxBindings leaves each binding, and the empty default namespace below them, a bit in Kid.uses.
const maxBindings = 63

// complete fills in the defaults. Offsets are kept in 32 bits, which bounds Bytes.
func (l Limits) complete() Limits {
	def := DefaultLimits()
	for _, f := range [...]struct {
		field *int
		def   int
	}{{&l.Bytes, def.Bytes}, {&l.Depth, def.Depth}, {&l.Attrs, def.Attrs}, {&l.Kids, def.Kids}, {&l.Bindings, def.Bindings}} {
		if *f.field <= 0 {
			*f.field = f.def
		}
	}
	l.Bytes = min(l.Bytes, math.MaxInt32-1)
	l.Bindings = min(l.Bindings, maxBindings)
	return l
}

// The conditions of RFC 6120, 4.9.3 that a [Scanner] reports.
const (
	BadFormat           = "bad-format"
	BadNamespacePrefix  = "bad-namespace-prefix"
	InvalidNamespace    = "invalid-namespace"
	NotWellFormed       = "not-well-formed"
	PolicyViolation     = "policy-violation"
	RestrictedXML       = "restricted-xml"
	UnsupportedEncoding = "unsupported-encoding"
)

// Error is why a stream cannot go on. Both fields may be shown to the peer.
type Error struct {
	Condition string // the stream error condition of RFC 6120, 4.9.3
	Text      string // what was wrong, in a few words
}

func (e *Error) Error() string { return "xmlstream: " + e.Condition + ": " + e.Text }
