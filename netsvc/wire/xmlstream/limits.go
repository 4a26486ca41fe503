package xmlstream

import "math"

// Limits bound what one item may cost. N passes and N+1 is refused with policy-violation; a field
// that is zero (or less) takes its value from [DefaultLimits].
type Limits struct {
	// Bytes of one item, which is a stream header with its XML declaration or a whole first-level
	// element; less than 2 GiB, for offsets are kept in 32 bits.
	Bytes int
	// Depth counts elements open at once; the first-level element is the first.
	Depth int
	// Attrs of one element, namespace declarations among them.
	Attrs int
	// Kids are the child elements of a first-level element.
	Kids int
	// Bindings are namespace declarations in force at once, those of the stream header among them;
	// at most 63.
	Bindings int
}

// DefaultLimits suits a client's stream: RFC 6120, 13.12 asks for at least 10 000 bytes.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 10, Depth: 64, Attrs: 64, Kids: 256, Bindings: maxBindings}
}

// maxBindings leaves each binding, and the empty default namespace below them, a bit in Kid.uses.
const maxBindings = 63

// complete fills in the defaults and keeps within what the tables can hold.
func (l Limits) complete() Limits {
	def := DefaultLimits()
	return Limits{
		Bytes:    min(orElse(l.Bytes, def.Bytes), math.MaxInt32-1),
		Depth:    orElse(l.Depth, def.Depth),
		Attrs:    orElse(l.Attrs, def.Attrs),
		Kids:     orElse(l.Kids, def.Kids),
		Bindings: min(orElse(l.Bindings, def.Bindings), maxBindings),
	}
}

func orElse(n, def int) int {
	if n > 0 {
		return n
	}
	return def
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
