package xmlstream

import (
	"bytes"
	"unicode/utf8"
)

// state says what the next byte is looked at as. The states are named for where they stand.
type state uint8

const (
	atItem       state = iota // before an item; also between the XML declaration and the header
	inDecl                    // behind "<?" of the XML declaration
	inTagOpen                 // behind '<'
	inBang                    // behind "<!"
	inCDATA                   // in a CDATA section
	inStartName               // in the name of a start tag
	inTag                     // in a start tag, between attributes
	inAttrName                // in the name of an attribute
	beforeEquals              // between the name and '='
	beforeQuote               // between '=' and the value
	inValue                   // in the value
	inReference               // behind '&'
	inEmptyTag                // behind the '/' that ends an empty-element tag
	inEndName                 // in the name of an end tag
	inEndTag                  // behind the name
	inContent                 // in character data
)

// run goes on with the item in buf. It gives EventMore at the end of buf and after fail.
//
// This is the loop that every byte from the net goes through, so it is one function: i and st
// stay in registers. Each state takes what it can, and leaves i and st such that the work can be
// taken up at i with nothing else known than what is kept in s, for buf may end anywhere.
func (s *Scanner) run(buf []byte) (Event, int) {
	i, st := s.pos, s.state
scan:
	for i < len(buf) {
		c := buf[i]
		switch st {
		case inContent:
			for class[c]&plainText != 0 {
				if i++; i == len(buf) {
					break scan
				}
				c = buf[i]
			}
			switch {
			case c == '<':
				s.lt = i
				i++
				st = inTagOpen
			case c == '&':
				i++
				s.ref, s.back = i, inContent
				st = inReference
			case c == '>' && !(buf[i-1] == ']' && buf[i-2] == ']'):
				i++
			case c == '>':
				return s.fail(NotWellFormed, "']]>' in character data")
			case c >= utf8.RuneSelf:
				ok := false
				if i, ok = s.wide(buf, i); !ok {
					break scan
				}
			default:
				return s.fail(NotWellFormed, "illegal character")
			}

		case inTagOpen:
			s.mark, s.colon = i, 0
			switch {
			case class[c]&nameStart != 0 || c >= utf8.RuneSelf:
				if s.mode == closed {
					return s.fail(NotWellFormed, "element behind the stream's end")
				}
				st = inStartName // which begins with this byte
			case c == '/':
				i++
				s.mark = i
				st = inEndName
			case c == '!':
				i++
				s.mark = i
				st = inBang
			case c == '?' && s.mode == fresh && i == 1 && !s.spaced:
				i++
				st = inDecl
			case c == '?':
				return s.fail(RestrictedXML, "processing instruction")
			default:
				return s.fail(NotWellFormed, "no tag behind '<'")
			}

		case inStartName:
			end, done := s.name(buf, i)
			if i = end; !done {
				break scan
			}
			s.tag, s.base = s.nameTo(i), len(s.attrs)
			s.outerBindings, s.outerDefault = len(s.bindings), s.defaultSpace
			s.gap = false
			st = inTag

		case inTag:
			switch {
			case c == '>':
				i++
				if !s.startTag(buf, i, false) {
					break scan
				}
				if s.depth == 0 {
					return EventHeader, i
				}
				st = inContent
			case c == '/':
				i++
				st = inEmptyTag
			case class[c]&whiteSpace != 0:
				s.gap = true
				i++
			case class[c]&nameStart != 0 || c >= utf8.RuneSelf:
				if !s.gap {
					return s.fail(NotWellFormed, "no white space before an attribute")
				}
				s.mark, s.colon = i, 0
				st = inAttrName
			default:
				return s.fail(NotWellFormed, "illegal character in a tag")
			}

		case inAttrName:
			end, done := s.name(buf, i)
			if i = end; !done {
				break scan
			}
			s.attr = attribute{name: s.nameTo(i), plain: true}
			st = beforeEquals
			if i+2 < len(buf) && buf[i] == '=' && (buf[i+1] == '\'' || buf[i+1] == '"') {
				// As nearly everybody writes it: two states fewer.
				s.quote = buf[i+1]
				i += 2
				s.mark = i
				st = inValue
			}

		case beforeEquals:
			i++
			switch {
			case c == '=':
				st = beforeQuote
			case class[c]&whiteSpace == 0:
				return s.fail(NotWellFormed, "attribute without a value")
			}

		case beforeQuote:
			i++
			switch {
			case c == '\'' || c == '"':
				s.quote, s.mark = c, i
				st = inValue
			case class[c]&whiteSpace == 0:
				return s.fail(NotWellFormed, "attribute value without quotes")
			}

		case inValue:
			// The other quotes end a run, too; they are rare, and one class serves both kinds.
			for class[c]&plainValue != 0 {
				if i++; i == len(buf) {
					break scan
				}
				c = buf[i]
			}
			switch {
			case c == s.quote:
				s.attr.value = span{int32(s.mark), int32(i)}
				i++
				if !s.attribute(buf) {
					break scan
				}
				s.gap = false
				st = inTag
			case c == '\'' || c == '"' || c == '>':
				i++
			case c == '&':
				i++
				s.attr.plain = false
				s.ref, s.back = i, inValue
				st = inReference
			case class[c]&whiteSpace != 0:
				s.attr.plain = false // stands for a space
				i++
			case c >= utf8.RuneSelf:
				ok := false
				if i, ok = s.wide(buf, i); !ok {
					break scan
				}
			case c == '<':
				return s.fail(NotWellFormed, "'<' in an attribute value")
			default:
				return s.fail(NotWellFormed, "illegal character")
			}

		case inReference:
			i++
			if class[c]&inRefName != 0 {
				continue
			}
			if !s.reference(buf[s.ref:i-1], c) {
				break scan
			}
			st = s.back

		case inEmptyTag:
			if c != '>' {
				return s.fail(NotWellFormed, "no '>' behind '/'")
			}
			i++
			if !s.startTag(buf, i, true) {
				break scan
			}
			if s.depth == 0 {
				return s.whole(buf[:i])
			}
			st = inContent

		case inEndName:
			want := s.openName(buf)
			if want == nil {
				return s.fail(NotWellFormed, "end tag without a start tag")
			}
			want = want[i-s.mark:]
			n := min(len(want), len(buf)-i)
			if !bytes.Equal(want[:n], buf[i:i+n]) {
				return s.fail(NotWellFormed, "end tag of another element")
			}
			i += n
			if n == len(want) {
				st = inEndTag
			}

		case inEndTag:
			i++
			switch {
			case class[c]&whiteSpace != 0:
				continue
			case c != '>':
				return s.fail(NotWellFormed, "end tag of another element")
			case s.depth == 0:
				s.mode = closed
				return EventFooter, i
			}
			s.endTag(i)
			if s.depth == 0 {
				return s.whole(buf[:i])
			}
			st = inContent

		case atItem:
			switch {
			case class[c]&whiteSpace != 0:
				n := i
				for n < len(buf) && class[buf[n]]&whiteSpace != 0 {
					n++
				}
				if i == 0 {
					s.spaced = true
					return EventSpace, n
				}
				i = n // between the XML declaration and the header, with which it is one item
			case c == '<':
				s.lt = i
				i++
				st = inTagOpen
			default:
				return s.stray(c)
			}

		case inDecl:
			i++
			if c == '>' {
				if !s.declaration(buf[:i]) {
					break scan
				}
				st = atItem
			}

		case inBang:
			switch {
			case c == '-' && i == s.mark:
				return s.fail(RestrictedXML, "comment")
			case c == 'D' && i == s.mark:
				return s.fail(RestrictedXML, "document type")
			case s.depth == 0 || c != cdataOpen[len("<!")+i-s.mark]:
				return s.fail(NotWellFormed, "illegal markup behind '<!'")
			}
			i++
			if i-s.mark == len(cdataOpen)-len("<!") {
				st = inCDATA
			}

		case inCDATA:
			switch {
			case c == '>':
				if buf[i-1] == ']' && buf[i-2] == ']' { // both within the section: it begins behind a '['
					st = inContent
				}
				i++
			case class[c]&(plainText|whiteSpace) != 0 || c == '<' || c == '&':
				i++
			case c >= utf8.RuneSelf:
				ok := false
				if i, ok = s.wide(buf, i); !ok {
					break scan
				}
			default:
				return s.fail(NotWellFormed, "illegal character")
			}
		}
	}
	s.pos, s.state = i, st
	return EventMore, 0
}

// whole gives the first-level element that buf holds.
func (s *Scanner) whole(buf []byte) (Event, int) {
	s.el.buf = buf
	return EventElement, len(buf)
}

// wide takes a run of characters that are not ASCII. It stops behind them, and is not ok when the
// bytes end within one, or after fail.
func (s *Scanner) wide(buf []byte, i int) (end int, ok bool) {
	const bits, follows = 0xC0, 0x80 // what the first two bits of a byte that is not the first are
	for i < len(buf) && buf[i] >= utf8.RuneSelf {
		rest := buf[i:]
		switch c := rest[0]; { // all that these two can say is a character
		case c >= 0xC2 && c <= 0xDF && len(rest) > 1 && rest[1]&bits == follows:
			i += 2
			continue
		case c >= 0xE1 && c <= 0xEC && len(rest) > 2 && rest[1]&bits == follows && rest[2]&bits == follows:
			i += 3
			continue
		}
		_, size := character(rest)
		if size <= 0 {
			s.badCharacter(size)
			return i, false
		}
		i += size
	}
	return i, true
}

// name goes on with a qualified name at i, whose first byte the state before has looked at. It
// stops behind the name (done), at the end of buf or after fail.
func (s *Scanner) name(buf []byte, i int) (end int, done bool) {
	if s.colon == 0 { // nearly all of nearly all names
		for i < len(buf) && class[buf[i]]&nameByte != 0 {
			i++
		}
	}
	for i < len(buf) {
		c := buf[i]
		switch {
		case class[c]&nameByte != 0:
			if i == s.colon && class[c]&nameStart == 0 {
				s.fail(NotWellFormed, "illegal name")
				return i, false
			}
			i++
		case c == ':':
			if s.colon != 0 {
				s.fail(NotWellFormed, "two colons in a name")
				return i, false
			}
			i++
			s.colon = i
		case c >= utf8.RuneSelf:
			r, size := character(buf[i:])
			if size <= 0 {
				s.badCharacter(size)
				return i, false
			}
			if !nameRune(r, i == s.mark || i == s.colon) {
				s.fail(NotWellFormed, "illegal name")
				return i, false
			}
			i += size
		case i == s.colon:
			s.fail(NotWellFormed, "illegal name")
			return i, false
		default:
			return i, true
		}
	}
	return i, false
}

// nameTo is the name that began at mark and ends before end.
func (s *Scanner) nameTo(end int) qname {
	n := qname{span: span{int32(s.mark), int32(end)}, local: int32(s.mark)}
	if s.colon != 0 {
		n.local = int32(s.colon)
	}
	return n
}

// reference checks what stands between '&' and the byte that ended it.
func (s *Scanner) reference(name []byte, end byte) bool {
	_, known := reference(name)
	switch {
	case known && end == ';':
		return true
	case end == ';' && len(name) > 0 && class[name[0]]&nameStart != 0:
		s.fail(RestrictedXML, "entity that is not predefined")
	default:
		s.fail(NotWellFormed, "illegal reference")
	}
	return false
}

// stray ends the stream over a byte that begins no item.
func (s *Scanner) stray(c byte) (Event, int) {
	switch {
	case s.mode == fresh && (c == 0 || c >= 0xEF): // a byte order mark, or the first half of a '<'
		return s.fail(UnsupportedEncoding, "not UTF-8 without a byte order mark")
	case c < ' ':
		return s.fail(NotWellFormed, "illegal character")
	}
	return s.fail(BadFormat, "character data outside of an element")
}

// fail ends the stream.
func (s *Scanner) fail(condition, text string) (Event, int) {
	s.err = &Error{Condition: condition, Text: text}
	return EventMore, 0
}

// badCharacter ends the stream over what [character] said, unless that was only that the bytes end.
func (s *Scanner) badCharacter(size int) {
	switch size {
	case cutOff:
	case notUTF8:
		s.fail(UnsupportedEncoding, "invalid UTF-8")
	default:
		s.fail(NotWellFormed, "illegal character")
	}
}
