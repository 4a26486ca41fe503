package xmlstream

// Writer builds XML by appending. Its methods return it, so that calls chain:
//
//	w.Start("jabber:iq:version", "query").Leaf("", "name", "linnet").Leaf("", "version", v).End()
//
// The zero value is ready and has no default namespace around it. A Writer is for one goroutine.
type Writer struct {
	buf   []byte
	open  []written
	space string // the default namespace around everything
	inTag bool   // the last start tag lacks its '>'
}

// written is an open element.
type written struct {
	local, space string
}

// NewWriter starts a builder for elements that will stand where space is the default namespace,
// "jabber:client" as a rule.
func NewWriter(space string) *Writer { return &Writer{space: space} }

// Reset empties the writer, which keeps its memory: what Bytes gave is overwritten.
func (w *Writer) Reset() { w.buf, w.open, w.inTag = w.buf[:0], w.open[:0], false }

func (w *Writer) current() string {
	if n := len(w.open); n > 0 {
		return w.open[n-1].space
	}
	return w.space
}

// closeTag ends the start tag under way, for content follows.
func (w *Writer) closeTag() {
	if w.inTag {
		w.buf = append(w.buf, '>')
		w.inTag = false
	}
}

// Start opens an element within the one that is open. xmlns is written only when space differs
// from the enclosing element's; "" inherits it.
func (w *Writer) Start(space, local string) *Writer {
	w.closeTag()
	w.buf = append(append(w.buf, '<'), local...)
	w.inTag = true
	around := w.current()
	if space == "" {
		space = around
	}
	if space != around {
		w.Attr("xmlns", space)
	}
	w.open = append(w.open, written{local, space})
	return w
}

// Attr adds an attribute to the element just started. After anything else was written into it,
// Attr does nothing.
func (w *Writer) Attr(name, value string) *Writer {
	if w.inTag {
		w.buf = append(append(append(w.buf, ' '), name...), '=', '\'')
		w.buf = append(AppendAttr(w.buf, value), '\'')
	}
	return w
}

// AttrIf is Attr unless value is "".
func (w *Writer) AttrIf(name, value string) *Writer {
	if value != "" {
		w.Attr(name, value)
	}
	return w
}

// Text adds character data.
func (w *Writer) Text(s string) *Writer {
	if s != "" {
		w.closeTag()
		w.buf = AppendText(w.buf, s)
	}
	return w
}

// Raw adds whole elements as they are. They have to fit the default namespace in force.
func (w *Writer) Raw(b []byte) *Writer {
	if len(b) > 0 {
		w.closeTag()
		w.buf = append(w.buf, b...)
	}
	return w
}

// End closes the element opened last; without one it does nothing.
func (w *Writer) End() *Writer {
	n := len(w.open) - 1
	if n < 0 {
		return w
	}
	if w.inTag {
		w.buf = append(w.buf, '/', '>')
		w.inTag = false
	} else {
		w.buf = append(append(append(w.buf, '<', '/'), w.open[n].local...), '>')
	}
	w.open = w.open[:n]
	return w
}

// Leaf adds an element with nothing but text in it, which may be "".
func (w *Writer) Leaf(space, local, text string) *Writer {
	return w.Start(space, local).Text(text).End()
}

// Bytes closes all that is open and gives what was written. It lies in the writer.
func (w *Writer) Bytes() []byte {
	for len(w.open) > 0 {
		w.End()
	}
	return w.buf
}
