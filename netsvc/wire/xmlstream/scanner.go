package xmlstream

// Event says what [Scanner.Scan] found at the front of the bytes.
type Event uint8

const (
	EventMore    Event = iota // the bytes end within the item: call again with more behind them
	EventHeader               // the stream's open tag, see [Scanner.Header]
	EventElement              // a whole first-level element, see [Scanner.Element]
	EventSpace                // white space between elements (a keepalive); a run may come as several events
	EventFooter               // the stream's close tag
)

// Scanner splits one stream, in one direction, into items and checks them. It belongs to the stream's reader, and starts no
// goroutine and does no I/O. The zero value is ready for a stream with the [DefaultLimits].
type Scanner struct {
	limits Limits
	err    *Error // why the stream ended; it stays
	mode   mode

	// Where the scan stands within the item. All offsets count from the item's first byte.
	state  state
	back   state // where a reference returns to
	pos    int   // the first byte not looked at
	mark   int   // where the token under way began
	colon  int   // behind the colon in the name under way, or 0
	lt     int   // the '<' of the tag under way
	ref    int   // where the reference under way began
	quote  byte  // what ends the attribute value under way
	plain  bool  // the value under way stands for itself
	spaced bool  // white space came before the stream header
	gap    bool  // white space stands before the next attribute

	tag          tagName   // the start tag under way
	base         int       // its attributes are attrs[base:]
	attr         attribute // the one under way
	outerN       int       // how many bindings are in force outside of it
	outerDefault int       // and which of them is the default namespace

	depth    int
	open     []frame     // the open elements, the first-level one first
	bindings []binding   // in force; [0] is the default namespace of a stream that declares none
	defaultN int         // index of the default namespace's binding
	attrs    []attribute // of the first-level element, then those of the tag under way
	held     []byte      // bytes that outlive the item (the header's), then URIs that had to be unescaped

	header  Header
	root    span     // the header's qualified name, in held
	settled struct { // what lasts for the whole stream
		bindings, held, defaultN int
	}
	el Element
}

// mode is how far the stream has come.
type mode uint8

const (
	fresh  mode = iota // nothing but white space seen
	inside             // behind the header
	bare               // no header and no footer: elements stand alone
	closed             // behind the footer
)

type state uint8

const (
	atItem state = iota
	atTag
	inDecl
	inBang
	inCDATASection
	inElementName
	inTag
	inAttrName
	atEquals
	atQuote
	inValue
	inReference
	atSlash
	inEndName
	atEndClose
	inContent
)

// span is a range of bytes, in the item or in Scanner.held.
type span struct{ from, to int32 }

func (p span) of(b []byte) []byte { return b[p.from:p.to] }
func (p span) size() int          { return int(p.to - p.from) }

// tagName is the qualified name of an element; local begins behind the colon.
type tagName struct {
	name  span
	local int32
}

// attribute is one attribute of a start tag.
type attribute struct {
	tagName
	value   span
	binding int32 // of its prefix; 0 is none
	plain   bool  // the value stands for itself: no reference, no white space but spaces
	decl    bool  // a namespace declaration
}

// frame is one open element.
type frame struct {
	name     span
	bindings int32 // how many were in force outside
	defaultN int32
}

// Reset makes the scanner ready for a new stream, as after STARTTLS or SASL. It keeps its memory.
func (s *Scanner) Reset(l Limits) {
	*s = Scanner{limits: l.complete(), open: s.open[:0], bindings: s.bindings[:0], attrs: s.attrs[:0], held: s.held[:0], el: Element{kids: s.el.kids[:0]}}
}

// ResetBare makes the scanner ready for elements that stand alone, without a stream around them, as in WebSocket frames (RFC 7395),
// BOSH bodies or from a store. space is the default namespace in force around them.
func (s *Scanner) ResetBare(l Limits, space string) {
	s.Reset(l)
	s.mode = bare
	s.ground()
	if space != "" {
		s.held = append(s.held, space...)
		s.bindings[0].uri.to = int32(len(space))
	}
	s.settle()
}

// SetLimits changes the limits from the next byte on, as when a session has authenticated.
func (s *Scanner) SetLimits(l Limits) { s.limits = l.complete() }

// Header gives the stream header; nil before EventHeader. It stays valid until Reset.
func (s *Scanner) Header() *Header {
	if s.mode == fresh || s.mode == bare {
		return nil
	}
	return &s.header
}

// Element gives the element of the last EventElement. It is valid until the next Scan and while the bytes given to that one are
// unchanged.
func (s *Scanner) Element() *Element { return &s.el }

// Scan looks for one item at the front of buf and returns how many bytes it takes.
//
// On EventMore n is 0: the caller gets more bytes and calls again with the same ones in front, which it may have moved to another
// place. No byte is looked at twice. On any other event the next call's buf begins n bytes further on. An error is an
// *[Error]; the stream is over then, and every further call returns it again.
func (s *Scanner) Scan(buf []byte) (ev Event, n int, err error) {
	if s.err != nil {
		return EventMore, 0, s.err
	}
	if s.pos == 0 {
		s.begin()
	}
	s.el.buf = nil
	in := buf
	if len(in) > s.limits.Bytes {
		in = in[:s.limits.Bytes]
	}
	ev, n = s.run(in)
	switch {
	case s.err != nil:
	case ev != EventMore:
		s.pos, s.state = 0, atItem
		return ev, n, nil
	case len(in) < len(buf):
		s.fail(PolicyViolation, "too many bytes in one stanza")
	default:
		return EventMore, 0, nil
	}
	return EventMore, 0, s.err
}

// begin forgets the item before. Tables that one large item has blown up are let go: a stream mostly idles.
func (s *Scanner) begin() {
	const keep = 64
	if s.limits.Bytes == 0 {
		s.limits = DefaultLimits()
	}
	if len(s.bindings) == 0 {
		s.ground()
	}
	if s.mode == inside || s.mode == bare {
		s.bindings = s.bindings[:s.settled.bindings]
		s.held = s.held[:s.settled.held]
		s.defaultN = s.settled.defaultN
	}
	if cap(s.el.kids) > keep {
		s.el.kids = nil
	}
	if cap(s.attrs) > keep {
		s.attrs = nil
	}
	s.open, s.attrs, s.base, s.depth = s.open[:0], s.attrs[:0], 0, 0
	s.el = Element{scanner: s, kids: s.el.kids[:0]}
}

// fail ends the stream.
func (s *Scanner) fail(condition, text string) {
	if s.err == nil {
		s.err = &Error{Condition: condition, Text: text}
	}
}

// badCharacter ends the stream over what [character] said.
func (s *Scanner) badCharacter(size int) {
	if size == notUTF8 {
		s.fail(UnsupportedEncoding, "invalid UTF-8")
	} else {
		s.fail(NotWellFormed, "illegal character")
	}
}
