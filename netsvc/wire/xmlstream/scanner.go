package xmlstream

// Event says what [Scanner.Scan] found at the front of the bytes.
type Event uint8

const (
	EventMore    Event = iota // the bytes end within the item: call again with more behind them
	EventHeader               // the stream's open tag, see [Scanner.Header]
	EventElement              // a whole first-level element, see [Scanner.Element]
	EventSpace                // white space between elements (a keepalive); one run may come as several events
	EventFooter               // the stream's close tag
)

// Scanner splits one stream, in one direction, into items and checks them. It belongs to the
// stream's reader; it starts no goroutine and does no I/O. The zero value is ready for a stream
// with the [DefaultLimits].
type Scanner struct {
	limits Limits
	mode   mode
	err    *Error // why the stream ended; it stays
	header Header

	// Where the scan stands within the item. All offsets count from the item's first byte.
	state  state
	back   state // where a reference returns to
	spaced bool  // white space came before the stream header
	gap    bool  // white space stands before the next attribute
	quote  byte  // what ends the attribute value under way
	pos    int   // the first byte that was not looked at
	lt     int   // where the tag under way began, if it is a start tag
	mark   int   // where the token under way began
	colon  int   // behind the colon in the name under way, or 0
	ref    int   // where the reference under way began

	// The start tag under way.
	tag           qname
	attr          attribute // the one under way
	base          int       // the tag's attributes are attrs[base:]
	outerBindings int       // how many bindings are in force outside of it
	outerDefault  int       // and which of them is the default namespace

	// What is open and in force.
	depth        int
	open         []frame     // the first-level element comes first
	bindings     []binding   // [0] is the empty default namespace that all starts from
	defaultSpace int         // which binding is the default namespace
	attrs        []attribute // of the first-level element, then those of the tag under way
	held         []byte      // bytes that are not in the item: the header's, and unescaped names of namespaces
	el           Element

	// What the stream header left, for each item to begin with.
	root    span // the header's qualified name, in held
	settled struct{ bindings, defaultSpace, held int }
}

// mode is how far the stream has come.
type mode uint8

const (
	fresh  mode = iota // before the header
	inside             // behind the header
	closed             // behind the footer
	bare               // there is neither: elements stand alone
)

// span is a range of bytes.
type span struct{ from, to int32 }

func (p span) of(b []byte) []byte { return b[p.from:p.to] }

// qname is a name with its prefix; local is where the name begins without it.
type qname struct {
	span
	local int32
}

func (q qname) prefixed() bool           { return q.local > q.from }
func (q qname) localOf(b []byte) []byte  { return b[q.local:q.to] }
func (q qname) prefixOf(b []byte) []byte { return b[q.from : q.local-1] } // prefixed ones only

// attribute is one attribute of a start tag.
type attribute struct {
	name    qname
	value   span
	binding int32 // of its prefix; 0 for none and for "xml"
	plain   bool  // the value stands for itself: no reference, no white space but spaces
	decl    bool  // it is a namespace declaration
}

// frame is one open element.
type frame struct {
	name                   span
	bindings, defaultSpace int32 // in force outside of it
}

// Reset makes the scanner ready for a new stream, as after STARTTLS or SASL. It keeps its memory.
func (s *Scanner) Reset(l Limits) {
	*s = Scanner{
		limits: l.complete(),
		open:   s.open[:0], bindings: s.bindings[:0], attrs: s.attrs[:0], held: s.held[:0],
		el: Element{kids: s.el.kids[:0]},
	}
}

// ResetBare makes the scanner ready for elements that stand alone, without a stream around them:
// WebSocket frames (RFC 7395), what is in a BOSH body, or what a store kept. space is the default
// namespace in force around them. There is no Header and no footer, and each element's own
// namespace is its content namespace.
func (s *Scanner) ResetBare(l Limits, space string) {
	s.Reset(l)
	s.mode = bare
	s.ground()
	s.held = append(s.held, space...)
	s.bindings[0].uri.to = int32(len(space))
	s.settle()
}

// SetLimits changes the limits from the next byte on, as when the peer has authenticated.
func (s *Scanner) SetLimits(l Limits) { s.limits = l.complete() }

// Header gives the stream header; nil before EventHeader. It is valid until Reset.
func (s *Scanner) Header() *Header {
	if s.mode == fresh || s.mode == bare {
		return nil
	}
	return &s.header
}

// Element gives the element of the last EventElement. It is valid until the next Scan, and while
// the bytes given to that one stay as they are.
func (s *Scanner) Element() *Element { return &s.el }

// Scan looks for one item at the front of buf and tells how many bytes it takes.
//
// After EventMore, with n = 0, the caller gets more bytes and calls again with the same ones in
// front of them, which may have moved to another place: only what is new is looked at. After
// another event the next call's buf begins n bytes further on. An error is an *[Error]; the
// stream is over then, and each further call gives it again. Errors, items and their sizes do not
// depend on the pieces in which the bytes came, but for white space between elements.
//
// The scanner holds on to buf between EventElement and the next Scan.
func (s *Scanner) Scan(buf []byte) (ev Event, n int, err error) {
	if s.err != nil {
		return EventMore, 0, s.err
	}
	if s.pos == 0 {
		s.begin()
	}
	in := buf[:min(len(buf), s.limits.Bytes)]
	ev, n = s.run(in)
	if ev == EventMore && s.err == nil && len(in) < len(buf) {
		s.fail(PolicyViolation, "too many bytes")
	}
	switch {
	case s.err != nil:
		return EventMore, 0, s.err
	case ev != EventMore:
		s.pos, s.state = 0, atItem
	}
	return ev, n, nil
}

// begin forgets the item before.
func (s *Scanner) begin() {
	if len(s.bindings) == 0 { // the zero value, or after Reset
		s.limits = s.limits.complete()
		s.ground()
		s.settle()
	}
	s.shrink()
	s.bindings = s.bindings[:s.settled.bindings]
	s.defaultSpace = s.settled.defaultSpace
	s.held = s.held[:s.settled.held]
	s.open, s.attrs, s.base, s.depth = s.open[:0], s.attrs[:0], 0, 0
	s.el = Element{scanner: s, kids: s.el.kids[:0]}
}

// shrink lets go of what one large item has blown up, for a stream mostly idles.
func (s *Scanner) shrink() {
	const rows, bytes = 64, 4 << 10
	if cap(s.el.kids) > rows {
		s.el.kids = nil
	}
	if cap(s.attrs) > rows {
		s.attrs = nil
	}
	if cap(s.held) > bytes+2*s.settled.held {
		s.held = append([]byte(nil), s.held[:s.settled.held]...)
	}
}
