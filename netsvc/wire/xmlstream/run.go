package xmlstream

import "bytes"

// run goes on with the item in buf. It returns EventMore at the end of buf, with its place kept in s, and after fail.
//
// Each state takes as many bytes as it can and names the state that goes on with the next one. Whatever happens at
// the end of buf has to leave i and st such that the same state can go on there.
func (s *Scanner) run(buf []byte) (Event, int) {
	i, st := s.pos, s.state
	for i < len(buf) {
		switch st {
		case inContent:
			for i < len(buf) && class[buf[i]]&inText != 0 {
				i++
			}
			if i == len(buf) {
				continue
			}
			switch c := buf[i]; {
			case c == '<':
				s.lt = i
				st = atTag
				i++
			case c == '&':
				s.ref, s.back = i+1, inContent
				st = inReference
				i++
			case c == '>':
				if buf[i-1] == ']' && buf[i-2] == ']' {
					s.fail(NotWellFormed, "']]>' in character data")
					return EventMore, 0
				}
				i++
			case c >= 0x80:
				_, size := character(buf[i:])
				if size == cutOff {
					s.pos, s.state = i, st
					return EventMore, 0
				}
				if size < 0 {
					s.badCharacter(size)
					return EventMore, 0
				}
				i += size
			default:
				s.fail(NotWellFormed, "illegal character")
				return EventMore, 0
			}

		case atTag:
			s.mark, s.colon = i, 0
			switch c := buf[i]; {
			case class[c]&inStart != 0 || c >= 0x80:
				if s.mode == closed {
					s.fail(NotWellFormed, "element behind the stream's end")
					return EventMore, 0
				}
				st = inElementName
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
				s.fail(RestrictedXML, "processing instruction")
				return EventMore, 0
			default:
				s.fail(NotWellFormed, "no tag behind '<'")
				return EventMore, 0
			}

		case inElementName:
			n, done := s.scanName(buf, i)
			i = n
			if s.err != nil {
				return EventMore, 0
			}
			if !done {
				s.pos, s.state = i, st
				return EventMore, 0
			}
			s.tag = s.nameTo(i)
			s.base = len(s.attrs)
			s.outerN, s.outerDefault = len(s.bindings), s.defaultN
			s.gap = false
			st = inTag

		case inTag:
			switch c := buf[i]; {
			case c == '>':
				i++
				if !s.startTag(buf, i, false) {
					return EventMore, 0
				}
				if s.depth == 0 {
					return EventHeader, i
				}
				st = inContent
			case c == '/':
				i++
				st = atSlash
			case class[c]&isSpace != 0:
				s.gap = true
				i++
			case class[c]&inStart != 0 || c >= 0x80:
				if !s.gap {
					s.fail(NotWellFormed, "no white space before an attribute")
					return EventMore, 0
				}
				s.mark, s.colon = i, 0
				st = inAttrName
			default:
				s.fail(NotWellFormed, "illegal character in a tag")
				return EventMore, 0
			}

		case inAttrName:
			n, done := s.scanName(buf, i)
			i = n
			if s.err != nil {
				return EventMore, 0
			}
			if !done {
				s.pos, s.state = i, st
				return EventMore, 0
			}
			s.attr = attribute{tagName: s.nameTo(i)}
			st = atEquals

		case atEquals:
			switch c := buf[i]; {
			case c == '=':
				st = atQuote
			case class[c]&isSpace == 0:
				s.fail(NotWellFormed, "attribute without a value")
				return EventMore, 0
			}
			i++

		case atQuote:
			switch c := buf[i]; {
			case c == '\'' || c == '"':
				s.quote, s.plain, s.mark = c, true, i+1
				st = inValue
			case class[c]&isSpace == 0:
				s.fail(NotWellFormed, "attribute value without quotes")
				return EventMore, 0
			}
			i++

		case inValue:
			plain := uint8(inSingle)
			if s.quote == '"' {
				plain = inDouble
			}
			for i < len(buf) && class[buf[i]]&plain != 0 {
				i++
			}
			if i == len(buf) {
				continue
			}
			switch c := buf[i]; {
			case c == s.quote:
				s.attr.value = span{int32(s.mark), int32(i)}
				s.attr.plain = s.plain
				i++
				if !s.attribute(buf) {
					return EventMore, 0
				}
				s.gap = false
				st = inTag
			case c == '&':
				s.plain = false
				s.ref, s.back = i+1, inValue
				st = inReference
				i++
			case c >= 0x80:
				_, size := character(buf[i:])
				if size == cutOff {
					s.pos, s.state = i, st
					return EventMore, 0
				}
				if size < 0 {
					s.badCharacter(size)
					return EventMore, 0
				}
				i += size
			case class[c]&isSpace != 0:
				s.plain = false
				i++
			case c == '<':
				s.fail(NotWellFormed, "'<' in an attribute value")
				return EventMore, 0
			default:
				s.fail(NotWellFormed, "illegal character")
				return EventMore, 0
			}

		case inReference:
			for i < len(buf) && class[buf[i]]&inRef != 0 {
				i++
			}
			if i == len(buf) {
				continue
			}
			if !s.reference(buf[s.ref:i], buf[i]) {
				return EventMore, 0
			}
			i++
			st = s.back

		case atSlash:
			if buf[i] != '>' {
				s.fail(NotWellFormed, "no '>' behind '/'")
				return EventMore, 0
			}
			i++
			if !s.startTag(buf, i, true) {
				return EventMore, 0
			}
			if s.depth == 0 {
				s.el.buf = buf[:i]
				return EventElement, i
			}
			st = inContent

		case inEndName:
			want := s.openName(buf)
			if want == nil {
				s.fail(NotWellFormed, "end tag without a start tag")
				return EventMore, 0
			}
			rest := want[i-s.mark:]
			n := min(len(rest), len(buf)-i)
			if !bytes.Equal(rest[:n], buf[i:i+n]) {
				s.fail(NotWellFormed, "end tag of another element")
				return EventMore, 0
			}
			i += n
			if n == len(rest) {
				st = atEndClose
			}

		case atEndClose:
			c := buf[i]
			i++
			if class[c]&isSpace != 0 {
				continue
			}
			if c != '>' {
				s.fail(NotWellFormed, "end tag of another element")
				return EventMore, 0
			}
			if s.depth == 0 {
				s.mode = closed
				return EventFooter, i
			}
			s.endTag(i)
			if s.depth == 0 {
				s.el.buf = buf[:i]
				return EventElement, i
			}
			st = inContent

		case atItem:
			n := i
			for n < len(buf) && class[buf[n]]&isSpace != 0 {
				n++
			}
			switch {
			case n > 0 && i == 0:
				s.spaced = true
				return EventSpace, n
			case n > i: // between the XML declaration and the header, which are one item
				i = n
			case buf[i] == '<':
				s.lt = i
				st = atTag
				i++
			default:
				s.stray(buf[i])
				return EventMore, 0
			}

		case inDecl:
			n := bytes.IndexByte(buf[i:], '>')
			if n < 0 {
				i = len(buf)
				continue
			}
			i += n + 1
			if !s.declaration(buf[:i]) {
				return EventMore, 0
			}
			st = atItem

		case inBang:
			const open = "[CDATA["
			switch c := buf[i]; {
			case c == '-' && i == s.mark:
				s.fail(RestrictedXML, "comment")
				return EventMore, 0
			case c == 'D' && i == s.mark:
				s.fail(RestrictedXML, "document type")
				return EventMore, 0
			case s.depth == 0 || c != open[i-s.mark]:
				s.fail(NotWellFormed, "illegal markup behind '<!'")
				return EventMore, 0
			}
			i++
			if i-s.mark == len(open) {
				s.mark = i
				st = inCDATASection
			}

		case inCDATASection:
			for i < len(buf) && class[buf[i]]&inCDATA != 0 {
				i++
			}
			if i == len(buf) {
				continue
			}
			switch c := buf[i]; {
			case c == '>':
				i++
				if i-3 >= s.mark && buf[i-2] == ']' && buf[i-3] == ']' {
					st = inContent
				}
			case c >= 0x80:
				_, size := character(buf[i:])
				if size == cutOff {
					s.pos, s.state = i, st
					return EventMore, 0
				}
				if size < 0 {
					s.badCharacter(size)
					return EventMore, 0
				}
				i += size
			default:
				s.fail(NotWellFormed, "illegal character")
				return EventMore, 0
			}
		}
	}
	s.pos, s.state = i, st
	return EventMore, 0
}

// scanName goes on with a qualified name at i. It stops behind it (done), at the end of buf, or fails.
func (s *Scanner) scanName(buf []byte, i int) (n int, done bool) {
	for i < len(buf) {
		c := buf[i]
		switch {
		case class[c]&inName != 0:
			// The first byte of the whole name was looked at by the caller.
			if i == s.colon && class[c]&inStart == 0 {
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
		case c >= 0x80:
			r, size := character(buf[i:])
			if size == cutOff {
				return i, false
			}
			if size < 0 {
				s.badCharacter(size)
				return i, false
			}
			if !nameRune(r, i == s.mark || i == s.colon) {
				s.fail(NotWellFormed, "illegal name")
				return i, false
			}
			i += size
		default:
			if i == s.colon {
				s.fail(NotWellFormed, "illegal name")
				return i, false
			}
			return i, true
		}
	}
	return i, false
}

// nameTo is the name that began at mark and ends at i.
func (s *Scanner) nameTo(i int) tagName {
	t := tagName{name: span{int32(s.mark), int32(i)}, local: int32(s.mark)}
	if s.colon != 0 {
		t.local = int32(s.colon)
	}
	return t
}

// reference checks what stands between '&' and the byte that ended it.
func (s *Scanner) reference(name []byte, end byte) bool {
	_, known := reference(name)
	switch {
	case known && end == ';':
		return true
	case end == ';' && len(name) > 0 && class[name[0]]&inStart != 0:
		s.fail(RestrictedXML, "entity that is not predefined")
	default:
		s.fail(NotWellFormed, "illegal reference")
	}
	return false
}

// stray ends the stream over a byte that begins no item.
func (s *Scanner) stray(c byte) {
	switch {
	case s.mode == fresh && (c == 0 || c >= 0xEF): // a byte order mark, or the first half of '<'
		s.fail(UnsupportedEncoding, "not UTF-8 without a byte order mark")
	case c >= 0x80 || class[c] != 0 || c == '&' || c == '>':
		s.fail(BadFormat, "character data outside of an element")
	default:
		s.fail(NotWellFormed, "illegal character")
	}
}
