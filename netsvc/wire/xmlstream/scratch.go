package xmlstream

// Scratch is the room that a Scanner needs while it is within an item, and not
// between two. Whoever has many scanners that idle keeps a few of these and lends
// them: 500 bytes less for each. The zero value is ready; it serves one scanner at a
// time.
type Scratch struct {
	open  []frame
	attrs []attribute
	kids  []Kid
}

// Borrow gives the scanner w's room, unless it is within an item and has its own.
func (s *Scanner) Borrow(w *Scratch) {
	if s.pos == 0 && cap(s.open) == 0 {
		s.open, s.attrs, s.el.kids = w.open, w.attrs, w.kids
		*w = Scratch{}
	}
}

// Return takes the room back, unless the scanner is within an item. The Element of
// the last item ends with it.
func (s *Scanner) Return(w *Scratch) {
	if s.pos == 0 && cap(s.open) > 0 {
		*w = Scratch{s.open[:0], s.attrs[:0], s.el.kids[:0]}
		s.open, s.attrs, s.el = nil, nil, Element{}
	}
}
