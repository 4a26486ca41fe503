package main

import (
	"bytes"
	"errors"
)

// errMalformed tells that a server sent something that is no XMPP stream.
var errMalformed = errors.New("not an XMPP stream")

// split finds the first item of an XMPP stream in b: a stream header, a whole first-level element, or the closing tag.
// It returns the item and the number of bytes up to its end; an empty item with 0 means that more bytes are needed.
// Whitespace and the XML declaration are skipped (an item that is all whitespace is empty with n > 0).
//
// It is a bench client's splitter, not a parser: it trusts that a server's output is well-formed, and looks only for the
// end of the element.
func split(b []byte) (item []byte, n int, err error) {
	start := 0
	for start < len(b) && (b[start] == ' ' || b[start] == '\n' || b[start] == '\r' || b[start] == '\t') {
		start++
	}
	if start == len(b) {
		return nil, start, nil
	}
	if b[start] != '<' {
		return nil, 0, errMalformed
	}
	rest := b[start:]
	if bytes.HasPrefix(rest, messageStart) {
		// The one item that matters for speed: a message whose open tag needs no look at all.
		end := closing(rest, messageStart, messageEnd)
		if end < 0 {
			return nil, 0, nil
		}
		return rest[:end], start + end, nil
	}
	open := tagEnd(rest)
	if open < 0 {
		return nil, 0, nil
	}
	switch {
	case bytes.HasPrefix(rest, []byte("<?")):
		item, n, err := split(rest[open:])
		if n == 0 {
			return nil, 0, err
		}
		return item, start + open + n, nil
	case bytes.HasPrefix(rest, []byte("<stream:stream")), rest[1] == '/', rest[open-2] == '/':
		return rest[:open], start + open, nil
	}
	name := rest[:nameEnd(rest)]
	end := closing(rest, name, append([]byte("</"), append(name[1:len(name):len(name)], '>')...))
	if end < 0 {
		return nil, 0, nil
	}
	return rest[:end], start + end, nil
}

var (
	messageStart = []byte("<message")
	messageEnd   = []byte("</message>")
)

// closing returns the end of the element that b begins with, given its opening ("<name") and closing ("</name>") tags,
// or -1. Elements of the same name inside it (a forwarded message) are stepped over.
func closing(b, opening, closing []byte) int {
	at, inner := 0, len(opening)
	for {
		end := bytes.Index(b[at:], closing)
		if end < 0 {
			return -1
		}
		end += at
		next := nested(b[inner:end], opening)
		if next < 0 {
			return end + len(closing)
		}
		inner += next + len(opening)
		at = end + len(closing)
	}
}

// nested returns where an element with this opening begins in b, or -1.
func nested(b, opening []byte) int {
	for at := 0; ; {
		i := bytes.Index(b[at:], opening)
		if i < 0 {
			return -1
		}
		at += i
		after := at + len(opening)
		if after < len(b) && (b[after] == ' ' || b[after] == '>') {
			if end := tagEnd(b[at:]); end < 0 || b[at+end-2] != '/' {
				return at
			}
		}
		at = after
	}
}

// tagEnd returns the length of the tag that b begins with, or -1; a '>' in a quoted attribute value does not end it.
func tagEnd(b []byte) int {
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return -1
}

// nameEnd returns the length of "<name" at the beginning of b.
func nameEnd(b []byte) int {
	if i := bytes.IndexAny(b, " />\t\r\n"); i >= 0 {
		return i
	}
	return len(b)
}

// attribute returns the value of an attribute in the item's first tag, or nil. It knows both quotes.
func attribute(item []byte, name string) []byte {
	tag := item
	if end := tagEnd(item); end >= 0 {
		tag = item[:end]
	}
	for _, quote := range []string{"'", "\""} {
		if v := between(tag, " "+name+"="+quote, quote); v != nil {
			return v
		}
	}
	return nil
}

// between returns what stands between two marks, or nil.
func between(b []byte, before, after string) []byte {
	from := bytes.Index(b, []byte(before))
	if from < 0 {
		return nil
	}
	b = b[from+len(before):]
	to := bytes.Index(b, []byte(after))
	if to < 0 {
		return nil
	}
	return b[:to:to]
}
